//! Checks web addresses: they must be written exactly as clients use them.

use reqwest::Url;

/// Path prefix of this service's webhooks, below `public_url`.
const HOOKS: &str = "/hooks";
/// Path prefix of the console's pages, below `public_url`.
const CONSOLE: &str = "/console";

/// Parses an `http` or `https` URL with a host and, optionally, a path.
///
/// Providers sign and call the URL as it is written, so a URL that a client would change before using it is
/// refused: blanks, characters outside ASCII, `.` and `..` in the path, missing or doubled slashes, capital letters
/// in scheme or host, a port that is empty, the scheme's default or has leading zeros. Port 0 and a host that is not
/// valid in the DNS are refused too, and so is what a base URL cannot have: user, query, fragment, the path of a
/// webhook.
///
/// # Errors
///
/// Returns what is wrong and how to correct it: the URL without the fault, or else `example`.
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
    // Signatures cover the URL byte by byte, and clients write scheme and host in lower case.
    if !written.starts_with(scheme) || authority.chars().any(|c| c.is_ascii_uppercase()) {
        return wrong("the scheme and the host of the address are in small letters");
    }
    let Some(port) = authority.strip_prefix(host).filter(|_| !host.is_empty()) else {
        return wrong("the host of the address is not written as it would be called");
    };
    if let Some(what) = wrong_host(host) {
        return wrong(what);
    }
    // Clients omit an empty port, the scheme's default port, and leading zeros.
    let called = url.port().map(|port| format!(":{port}"));
    if port != called.unwrap_or_default() {
        return wrong("the port of the address is not written as it would be called");
    }
    if url.port() == Some(0) {
        return wrong("nothing can be called at port 0");
    }
    if url.path() != path || path.trim_end_matches('/').contains("//") {
        return wrong("the path of the address is not written as it would be called");
    }
    if before(path, HOOKS).is_some() {
        return wrong("this is the address of a webhook, and the part before /hooks is needed");
    }
    Ok(url)
}

/// Like [`web_address`], but also refuses the address of a page of the console.
///
/// # Errors
///
/// Returns what is wrong and how to correct it, as [`web_address`] does.
pub(super) fn public_address(written: &str, example: &str) -> Result<Url, String> {
    let mut url = web_address(written, example)?;
    let Some(at) = before(url.path(), CONSOLE) else {
        return Ok(url);
    };
    let base = url.path()[..at].to_owned();
    url.set_path(&base);
    let right = url.as_str().trim_end_matches('/');
    Err(format!(
        "this is the address of the console, and the part before /console is needed; write it like {right}"
    ))
}

/// Returns the position in a path at which `segment`, written `/name`, first begins, or `None` if it is not in the
/// path; case is ignored.
fn before(path: &str, segment: &str) -> Option<usize> {
    let path = format!("{}/", path.to_ascii_lowercase());
    path.find(&format!("{segment}/"))
}

/// Returns what is wrong with a host; `None` if nothing is, or if it is an IPv6 address. A name has at most 253
/// characters, each of its labels 1 to 63, without a hyphen at either end (RFC 1035, 2.3.1 and 2.3.4).
fn wrong_host(host: &str) -> Option<&'static str> {
    if host.starts_with('[') {
        return None;
    }
    let mut labels = host.split('.');
    if labels.clone().any(str::is_empty) {
        return Some("the host of the address has two dots, or a dot at an end");
    }
    if host.len() > 253 || labels.clone().any(|label| label.len() > 63) {
        return Some("the host of the address is too long");
    }
    labels
        .any(|label| label.starts_with('-') || label.ends_with('-'))
        .then_some("a part of the host of the address begins or ends with a hyphen")
}

/// Returns the URL that was probably meant by an invalid one; `None` if that is unclear.
fn repaired(written: &str) -> Option<String> {
    let compact: String = written.split_whitespace().collect();
    let mut url = Url::parse(&compact).ok()?;
    let usable = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    if !usable {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for URLs without a host.
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    let path = url.path().to_owned();
    url.set_path(before(&path, HOOKS).map_or(path.as_str(), |at| &path[..at]));
    if url.port() == Some(0) {
        return None;
    }
    let host = url.host_str()?.to_owned();
    if wrong_host(&host).is_some() {
        let labels = host.split('.').map(|label| label.trim_matches('-'));
        let labels: Vec<&str> = labels.filter(|label| !label.is_empty()).collect();
        url.set_host(Some(&labels.join("."))).ok()?;
        wrong_host(url.host_str()?).is_none().then_some(())?;
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}
