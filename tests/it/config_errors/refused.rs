//! Values of the right type that cannot work are refused, with a valid example.

use super::{Mistake, make, sound};

const PUBLIC_URL: &str = "https://duty.example.org\"";

const LISTEN: &str = "listen     = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"";

/// A mistake in `public_url`.
const fn address(what: &'static str, put: &'static str, says: &'static str) -> Mistake {
    Mistake {
        what,
        find: PUBLIC_URL,
        put,
        at: "public_url",
        key: "public_url",
        says,
    }
}

const MISTAKES: &[Mistake] = &[
    address(
        "an address in capitals",
        "HTTPS://Duty.Example.org\"",
        "write it like https://duty.example.org",
    ),
    address(
        "an address with a blank inside",
        "https://duty.example.org/my line\"",
        "a blank",
    ),
    address(
        "an address with a blank behind it",
        "https://duty.example.org \"",
        "a blank",
    ),
    address(
        "an address with a tab",
        "https://duty.\\texample.org\"",
        "a blank",
    ),
    address(
        "an address with a query",
        "https://duty.example.org/?a=b\"",
        "write it like https://duty.example.org",
    ),
    address(
        "an address with an empty query",
        "https://duty.example.org?\"",
        "write it like https://duty.example.org",
    ),
    address(
        "an address with a fragment",
        "https://duty.example.org/#a\"",
        "write it like https://duty.example.org",
    ),
    address(
        "an address with a user",
        "https://user@duty.example.org\"",
        "write it like https://duty.example.org",
    ),
    address(
        "an address with an empty user",
        "https://@duty.example.org\"",
        "write it like https://duty.example.org",
    ),
    address(
        "an address with a host in Chinese",
        "https://巡察.example.org\"",
        "write it like https://xn--ldtp0c.example.org",
    ),
    address(
        "an address with a full-width dot",
        "https://duty。example.org\"",
        "write it like https://duty.example.org",
    ),
    address(
        "an address with one slash",
        "https:/duty.example.org\"",
        "write it like https://duty.example.org",
    ),
    address(
        "an address with a step back",
        "https://duty.example.org/a/../b\"",
        "write it like https://duty.example.org/b",
    ),
    address(
        "a whole webhook address",
        "https://duty.example.org/hooks/twilio/call\"",
        "write it like https://duty.example.org",
    ),
    address(
        "a webhook address below a path",
        "https://duty.example.org/line/hooks/twilio/call/\"",
        "write it like https://duty.example.org/line",
    ),
    address(
        "an address of another kind",
        "ftp://duty.example.org\"",
        "write it like https://duty.example.org",
    ),
    address(
        "a whole webhook address in capitals",
        "https://duty.example.org/Hooks/twilio/call\"",
        "write it like https://duty.example.org",
    ),
    address(
        "the address of the console",
        "https://duty.example.org/console/\"",
        "write it like https://duty.example.org",
    ),
    address(
        "an address with a part of its host missing",
        "https://duty..example.org\"",
        "write it like https://duty.example.org",
    ),
    address(
        "an address with a dot before its host",
        "https://.example.org\"",
        "two dots, or a dot at an end",
    ),
    address(
        "an address with a dot behind its host",
        "https://duty.example.org.\"",
        "write it like https://duty.example.org",
    ),
    address(
        "an address with a hyphen at the end of a part of its host",
        "https://duty-.example.org\"",
        "begins or ends with a hyphen",
    ),
    address(
        "an address with a colon and no port",
        "https://duty.example.org:\"",
        "write it like https://duty.example.org",
    ),
    address(
        "an address with a colon and no port before a path",
        "https://duty.example.org:/line\"",
        "write it like https://duty.example.org/line",
    ),
    address(
        "an address with the port that its scheme has anyway",
        "https://duty.example.org:443\"",
        "write it like https://duty.example.org",
    ),
    address(
        "an address with a port that begins with 0",
        "https://duty.example.org:08443\"",
        "write it like https://duty.example.org:8443",
    ),
    address(
        "an address with port 0",
        "https://duty.example.org:0\"",
        "port 0",
    ),
    Mistake {
        what: "a provider's address with two dots",
        find: "http://127.0.0.1:9",
        put: "https://api..example.org",
        at: "api_url",
        key: "api_url",
        says: "write it like https://api.example.org",
    },
    Mistake {
        what: "one address to listen at for both",
        find: LISTEN,
        put: "listen     = \"127.0.0.1:8080\"\nops_listen = \"127.0.0.1:8080\"",
        at: "ops_listen",
        key: "ops_listen",
        says: "write it like 127.0.0.1:9090",
    },
    Mistake {
        what: "all addresses to listen at, and one of them",
        find: LISTEN,
        put: "listen     = \"0.0.0.0:8080\"\nops_listen = \"127.0.0.1:8080\"",
        at: "ops_listen",
        key: "ops_listen",
        says: "listen has this port",
    },
    Mistake {
        what: "one address to listen at, and all of them",
        find: LISTEN,
        put: "listen     = \"127.0.0.1:8080\"\nops_listen = \"[::]:8080\"",
        at: "ops_listen",
        key: "ops_listen",
        says: "listen has this port",
    },
    Mistake {
        what: "the address health and metrics have by default",
        find: LISTEN,
        put: "listen     = \"127.0.0.1:9090\"",
        at: "listen",
        key: "listen",
        says: "ops_listen",
    },
    Mistake {
        what: "a full-width colon in hours",
        find: "\"08:30-12:00\"",
        put: "\"08：30-12:00\"",
        at: "hours ",
        key: "hours",
        says: "use a plain colon, as in \"08:30-12:00\"",
    },
    Mistake {
        what: "a long dash in hours",
        find: "\"15:00-18:00\"",
        put: "\"15:00—18:00\"",
        at: "hours ",
        key: "hours",
        says: "use a plain hyphen, as in \"15:00-18:00\"",
    },
    Mistake {
        what: "full-width signs in hours",
        find: "\"15:00-18:00\"",
        put: "\"１５：００ － １８：００\"",
        at: "hours ",
        key: "hours",
        says: "use plain digits, a plain colon, a plain hyphen and no blanks, as in \"15:00-18:00\"",
    },
    Mistake {
        what: "a full-width colon in an address to listen at",
        find: LISTEN,
        put: "listen     = \"127.0.0.1：8080\"\nops_listen = \"127.0.0.1:0\"",
        at: "listen ",
        key: "listen",
        says: "use plain characters, as in 127.0.0.1:8080",
    },
    Mistake {
        what: "a full-width slash in a trusted proxy",
        find: "public_url =",
        put: "trusted_proxies = [\"10.0.0.0／8\"]\npublic_url =",
        at: "trusted_proxies",
        key: "trusted_proxies",
        says: "use plain characters, as in 10.0.0.0/8",
    },
    Mistake {
        what: "a provider's address with a blank",
        find: "http://127.0.0.1:9",
        put: "http://127.0.0.1:9/a b",
        at: "api_url",
        key: "api_url",
        says: "a blank",
    },
    Mistake {
        what: "a provider's address in Chinese",
        find: "http://127.0.0.1:9",
        put: "https://巡察.example.org",
        at: "api_url",
        key: "api_url",
        says: "write it like https://xn--ldtp0c.example.org",
    },
    Mistake {
        what: "an intake that ends after the inspection",
        find: "to = 2024-06-14",
        put: "to = 2024-06-22",
        at: "intake ",
        key: "intake",
        says: "between 2024-03-06 and 2024-06-21",
    },
    Mistake {
        what: "an intake that begins before the inspection",
        find: "intake     = { from = 2024-03-06",
        put: "intake     = { from = 2024-03-05",
        at: "intake ",
        key: "intake",
        says: "between 2024-03-06 and 2024-06-21",
    },
    Mistake {
        what: "an international number without its plus",
        find: "\"18877009155\"",
        put: "\"8618877009155\"",
        at: "8618877009155",
        key: "number",
        says: "\"+8618877009155\"",
    },
    Mistake {
        what: "an international number behind a trunk prefix",
        find: "\"18877009155\"",
        put: "\"08618877009155\"",
        at: "08618877009155",
        key: "number",
        says: "not a telephone number",
    },
    Mistake {
        what: "a national number of a country whose trunk prefix is not known",
        find: "number   = \"18877009155\"                  # as people dial it\ncountry  = \"CN\"",
        put: "number   = \"0912345678\"\ncountry  = \"VN\"",
        at: "0912345678",
        key: "number",
        says: "begins with \"+84\"",
    },
    Mistake {
        what: "a country that is none",
        find: "\"CN\"",
        put: "\"XX\"",
        at: "\"XX\"",
        key: "country",
        says: "ISO 3166",
    },
    Mistake {
        what: "a country in small letters",
        find: "\"CN\"",
        put: "\"cn\"",
        at: "\"cn\"",
        key: "country",
        says: "ISO 3166",
    },
    Mistake {
        what: "a window of no length",
        find: "\"15:00-18:00\"",
        put: "\"15:00-15:00\"",
        at: "hours ",
        key: "hours",
        says: "00:00-24:00",
    },
    Mistake {
        what: "a night that overlaps the next morning",
        find: "\"15:00-18:00\"",
        put: "\"22:00-08:31\"",
        at: "hours ",
        key: "hours",
        says: "overlap",
    },
];

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let (folder, sound) = sound();
    let wrong: Vec<String> = MISTAKES
        .iter()
        .filter_map(|mistake| make(mistake, folder.path(), &sound).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
