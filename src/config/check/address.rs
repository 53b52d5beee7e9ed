//! Web addresses in the configuration: written exactly as they are used.

use reqwest::Url;

/// What our own webhooks begin with, below `public_url`.
const HOOKS: &str = "/hooks";

/// An `http` or `https` address of a host and, if need be, a path.
///
/// What is written is what providers sign and call, so an address that a client would change before it uses it is
/// refused: blanks, characters outside ASCII, `.` and `..` in the path, a missing slash. So is what a base address cannot
/// have: user, query, fragment, the path of a webhook.
///
/// # Errors
///
/// What is wrong and what would be right: the address with the fault left out, or else `example`.
pub(super) fn web_address(written: &str, example: &str) -> Result<Url, String> {
    let wrong = |what: &str| {
        let right = repaired(written).unwrap_or_else(|| example.to_owned());
        Err(format!("{what}; write it like {right}"))
    };
    if written.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return wrong("the address has a blank in it");
    }
    if !written.is_ascii() {
        return wrong("the address has characters that web addresses do not have");
    }
    if written.contains(['?', '#']) {
        return wrong("the address has a query or a fragment");
    }
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|scheme| written.to_ascii_lowercase().starts_with(scheme));
    let (Some(scheme), Ok(url)) = (scheme, Url::parse(written)) else {
        return wrong("not a web address");
    };
    let rest = &written[scheme.len()..];
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    let authority = rest.strip_suffix(path).unwrap_or(rest);
    if authority.contains('@') {
        return wrong("the address has a user in it");
    }
    let host = url.host_str().unwrap_or_default();
    // Signatures cover the address to the letter, and clients write these in small letters.
    if !written.starts_with(scheme) || authority.chars().any(|c| c.is_ascii_uppercase()) {
        return wrong("the scheme and the host of the address are in small letters");
    }
    if host.is_empty() || !authority.starts_with(host) {
        return wrong("the host of the address is not written as it would be called");
    }
    if url.path() != path || path.trim_end_matches('/').contains("//") {
        return wrong("the path of the address is not written as it would be called");
    }
    if format!("{path}/").contains(&format!("{HOOKS}/")) {
        return wrong("this is the address of a webhook, and the part before /hooks is needed");
    }
    Ok(url)
}

/// The address as it may have been meant. `None` when that cannot be told.
fn repaired(written: &str) -> Option<String> {
    let compact: String = written.split_whitespace().collect();
    let mut url = Url::parse(&compact).ok()?;
    let usable = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    if !usable {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    // Both fail for addresses without a host only.
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    let path = url.path().to_owned();
    let before = format!("{path}/").find(&format!("{HOOKS}/"));
    url.set_path(before.map_or(path.as_str(), |at| &path[..at]));
    Some(url.as_str().trim_end_matches('/').to_owned())
}
