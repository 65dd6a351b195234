//! Whether a certificate is for the host that was asked for, by libpq's rules.

use std::net::IpAddr;

use super::certificate::Names;
use super::failure::CertificateFailure;

/// Compares the host with the certificate's names. The common name counts where the certificate has no alternative name of the
/// host's kind: a DNS name for a host name, an IP address for an address.
///
/// See [SSL Server Certificate Verification](https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-CERTIFICATES).
pub(super) fn check_name(host: &str, names: &Names) -> Result<(), CertificateFailure> {
    let address = host.parse::<IpAddr>().ok();
    let by_dns = names.dns.iter().any(|pattern| matches(pattern, host));
    let by_address = address.is_some_and(|address| names.addresses.contains(&address));
    let common_counts = if address.is_some() { names.addresses.is_empty() } else { names.dns.is_empty() };
    let by_common = common_counts && names.common.as_deref().is_some_and(|common| matches(common, host));
    if by_dns || by_address || by_common {
        return Ok(());
    }
    let mut shown = names.dns.clone();
    shown.extend(names.addresses.iter().map(IpAddr::to_string));
    if common_counts {
        shown.extend(names.common.clone());
    }
    Err(CertificateFailure::WrongName { names: shown, host: host.to_owned() })
}

/// A name equals the host, whatever its case; or begins with `*.`, and the rest equals what is behind the host's first dot.
fn matches(pattern: &str, host: &str) -> bool {
    // A NUL would hide what is behind it from a program that reads C strings.
    if pattern.contains('\0') {
        return false;
    }
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let wildcard = pattern.strip_prefix("*.").filter(|parent| !parent.is_empty());
    match (wildcard, host.split_once('.')) {
        (Some(parent), Some((label, behind))) => !label.is_empty() && parent.eq_ignore_ascii_case(behind),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, dns: &[&str], addresses: &[&str], common: Option<&str>) -> Option<String> {
        let names = Names {
            dns: dns.iter().map(|&name| name.to_owned()).collect(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            common: common.map(str::to_owned),
        };
        check_name(host, &names).err().map(|failure| failure.to_string())
    }

    #[test]
    fn names_compare_as_in_libpq() {
        assert_eq!(check("db.example", &["db.example"], &[], None), None);
        assert_eq!(check("DB.example", &["db.EXAMPLE"], &[], None), None);
        assert_eq!(check("db.example", &["*.example"], &[], None), None);
        assert_eq!(check("db.example", &[], &["127.0.0.1"], Some("db.example")), None);
        assert_eq!(check("127.0.0.1", &[], &["127.0.0.1"], Some("db.example")), None);
        assert_eq!(check("::1", &[], &["0:0:0:0:0:0:0:1"], None), None);
        assert_eq!(check("127.0.0.1", &["db.example"], &[], Some("127.0.0.1")), None);
        assert_eq!(check("127.0.0.1", &["127.0.0.1"], &[], None), None);
    }

    #[test]
    fn a_wildcard_stands_for_one_label_and_the_common_name_gives_way() {
        let refused = |host, dns: &[&str], addresses: &[&str], common| {
            assert!(check(host, dns, addresses, common).is_some(), "{host} {dns:?} {addresses:?} {common:?}");
        };
        refused("a.db.example", &["*.example"], &[], None);
        refused("example", &["*.example"], &[], None);
        refused(".example", &["*.example"], &[], None);
        refused("db.example", &["*"], &[], None);
        refused("db.example", &["*."], &[], None);
        refused("db.example", &["d*.example"], &[], None);
        refused("db.example", &["other.example"], &[], Some("db.example"));
        refused("127.0.0.1", &[], &["127.0.0.2"], Some("127.0.0.1"));
        refused("db.example", &["db.example\0.evil"], &[], None);
        refused("db.example", &[], &[], None);
        let said = check("db1", &["db2", "db3"], &["::1"], Some("db1")).unwrap();
        assert_eq!(said, r#"the server's certificate is for "db2", "db3", "::1", not for "db1""#);
    }
}
