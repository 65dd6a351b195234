//! Passwords are prepared as PostgreSQL prepares them: a server of another opinion would refuse the right password.
//!
//! Every expectation here is what PostgreSQL 18's own `pg_saslprep` gives.

use cornac_proto::auth::saslprep;

fn check(cases: &[(&str, &str)]) {
    for (password, prepared) in cases {
        let shown = saslprep(password.as_bytes());
        assert_eq!(String::from_utf8_lossy(shown.expose()), *prepared, "{}", password.escape_unicode());
    }
}

fn check_raw(passwords: &[&str]) {
    for password in passwords {
        check(&[(password, password)]);
    }
}

#[test]
fn entry_13_the_examples_of_rfc_4013() {
    check(&[("I\u{ad}X", "IX"), ("user", "user"), ("USER", "USER"), ("\u{aa}", "a"), ("\u{2168}", "IX")]);
    // The RFC makes errors of these two. A server stores them as they are.
    check_raw(&["foo\u{7}bar", "\u{627}1", "foo\u{627}1bar"]);
}

#[test]
fn entry_13_ascii_is_left_alone() {
    check_raw(&["", " ", "pencil", "with blanks ", "\u{7}\t\u{7f}", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"]);
    let long = "x".repeat(2048);
    check_raw(&[&long]);
}

#[test]
fn entry_13_spaces_become_a_space_and_some_characters_nothing() {
    check(&[
        ("a\u{a0}b", "a b"),
        ("\u{3000}", " "),
        ("a\u{1680}\u{202f}b", "a  b"),
        // In both tables, of which that of the spaces comes first.
        ("a\u{200b}b", "a b"),
        ("\u{feff}a\u{200d}b\u{fe0f}", "ab"),
    ]);
    // Nothing would be left.
    check_raw(&["\u{ad}", "\u{ad}\u{feff}\u{200c}"]);
}

#[test]
fn entry_13_what_looks_the_same_is_the_same() {
    check(&[
        ("e\u{301}", "é"),
        ("é", "é"),
        ("ﬁ", "fi"),
        ("\u{ff21}\u{ff11}", "A1"),
        ("\u{212b}", "Å"),
        ("\u{fdfa}", "صلى الله عليه وسلم"),
        ("§", "§"),
    ]);
    let long = "ﬁ".repeat(2048);
    check(&[(&long, &"fi".repeat(2048))]);
}

#[test]
fn entry_13_what_is_forbidden_makes_the_whole_password_stay_as_it_is() {
    // Each with a ligature, which would otherwise be taken apart.
    check_raw(&[
        "ﬁ\u{7}",
        "ﬁ\u{80}",
        "ﬁ\u{2028}",
        "ﬁ\u{e000}",
        "ﬁ\u{fdd0}",
        "ﬁ\u{fffd}",
        "ﬁ\u{2ff0}",
        "ﬁ\u{202e}",
        "ﬁ\u{e0041}",
        // Unicode 3.2 does not know it, as all that came later.
        "ﬁ\u{1f418}",
    ]);
}

#[test]
fn entry_13_characters_are_judged_before_they_are_normalized() {
    check_raw(&[
        // A deprecated accent, which normalization would make an ordinary one.
        "e\u{341}",
        // After Unicode 3.2, though made of letters before it.
        "ﬁ\u{1f130}",
        "\u{1ee0c}",
        // A form of Arabic that begins with a blank when it is taken apart.
        "\u{fe70}a",
    ]);
    check(&[("\u{fe70}\u{627}", " \u{64b}\u{627}")]);
}

#[test]
fn entry_13_directions_must_not_be_mixed() {
    check(&[
        ("\u{627}\u{fb50}", "\u{627}\u{671}"),
        ("\u{5d0}1\u{ff12}\u{5d1}", "\u{5d0}12\u{5d1}"),
        // Braille had no direction in Unicode 3.2, and runs from left to right since.
        ("\u{5d0}\u{2801}\u{ff12}\u{5d1}", "\u{5d0}\u{2801}2\u{5d1}"),
    ]);
    check_raw(&[
        "\u{627}\u{ff11}",
        "\u{ff11}\u{627}",
        "\u{627}\u{ff21}\u{627}",
        // A mathematical nabla went from left to right in Unicode 3.2, and has had no direction since.
        "\u{5d0}\u{1d6c1}\u{5d0}",
    ]);
}

#[test]
fn entry_13_bytes_that_are_not_utf8_stay_as_they_are() {
    for password in
        [&b"\xff\xfe"[..], b"ok\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xac\x81\xff", b"\xf4\x90\x80\x80"]
    {
        assert_eq!(saslprep(password).expose(), password);
    }
}
