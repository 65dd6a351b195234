//! Names as `rename_all` changes them.

use syn::LitStr;

/// A way to write a name of several words.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Case {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

/// Each case, written as it writes.
const CASES: [(&str, Case); 8] = [
    ("lowercase", Case::Lower),
    ("UPPERCASE", Case::Upper),
    ("PascalCase", Case::Pascal),
    ("camelCase", Case::Camel),
    ("snake_case", Case::Snake),
    ("SCREAMING_SNAKE_CASE", Case::ScreamingSnake),
    ("kebab-case", Case::Kebab),
    ("SCREAMING-KEBAB-CASE", Case::ScreamingKebab),
];

impl Case {
    pub(crate) fn parse(name: &LitStr) -> syn::Result<Self> {
        let value = name.value();
        let found = CASES.iter().find(|(known, _)| *known == value);
        found.map(|(_, case)| *case).ok_or_else(|| {
            let known: Vec<_> = CASES.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            syn::Error::new(name.span(), format!("there is no such case; there are {}", known.join(", ")))
        })
    }

    /// Changes a name of Rust's: a field's in snake_case, or a variant's in PascalCase.
    pub(crate) fn apply(self, name: &str) -> String {
        let words = words(name);
        let lower = |separator: &str| words.join(separator);
        let capitalized = || words.iter().map(|word| capitalize(word));
        match self {
            Self::Lower => lower(""),
            Self::Upper => lower("").to_uppercase(),
            Self::Pascal => capitalized().collect(),
            Self::Camel => words.iter().take(1).cloned().chain(capitalized().skip(1)).collect(),
            Self::Snake => lower("_"),
            Self::ScreamingSnake => lower("_").to_uppercase(),
            Self::Kebab => lower("-"),
            Self::ScreamingKebab => lower("-").to_uppercase(),
        }
    }
}

/// The words of a name in lower case. One begins behind an underscore, at a capital behind what is none, and at the last capital of several
/// in front of a small letter: `HTTPRequest` is `http` and `request`.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let characters: Vec<char> = name.chars().collect();
    for (index, &character) in characters.iter().enumerate() {
        let previous = index.checked_sub(1).and_then(|index| characters.get(index)).copied();
        let next = characters.get(index + 1).copied();
        let begins = match previous {
            None | Some('_') => true,
            Some(previous) => {
                let behind_small = !previous.is_uppercase();
                let in_front_of_small = next.is_some_and(char::is_lowercase);
                character.is_uppercase() && (behind_small || in_front_of_small)
            }
        };
        if character == '_' {
            continue;
        }
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(character.to_lowercase());
        }
    }
    words
}

fn capitalize(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_writes_fields_and_variants_as_it_is_written_itself() {
        for (shown, case) in CASES {
            let own_words = shown.trim_end_matches("Case").trim_end_matches("case").trim_end_matches("CASE");
            assert!(!own_words.is_empty());
            let expected = match case {
                Case::Lower => "httprequestid",
                Case::Upper => "HTTPREQUESTID",
                Case::Pascal => "HttpRequestId",
                Case::Camel => "httpRequestId",
                Case::Snake => "http_request_id",
                Case::ScreamingSnake => "HTTP_REQUEST_ID",
                Case::Kebab => "http-request-id",
                Case::ScreamingKebab => "HTTP-REQUEST-ID",
            };
            for name in ["http_request_id", "HttpRequestId", "HTTPRequestId"] {
                assert_eq!(case.apply(name), expected, "{name} in {shown}");
            }
        }
    }

    #[test]
    fn digits_and_doubled_underscores_begin_no_word() {
        assert_eq!(Case::Snake.apply("Utf8Text"), "utf8_text");
        assert_eq!(Case::Camel.apply("line_2__left"), "line2Left");
        assert_eq!(Case::Kebab.apply("_hidden"), "hidden");
        assert_eq!(Case::Snake.apply("A"), "a");
    }
}
