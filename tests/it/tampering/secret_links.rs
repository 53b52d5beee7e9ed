//! Changes every column of links of the trail, as an attacker can who has the service secret: the hashes and the MACs of
//! the changed link and of all that follow are made again, so that the chain is whole, and the changed link is signed in
//! each way that is open to the attacker. `audit verify` finds it, or the change is in the list below with its reason,
//! which `docs/security.md` gives too. Each case is rolled back.

use super::LINE;
use super::attack::{Attack, By, is_documented};
use super::contents::{Cell, Kind, id_literal, literal, read_one, write_one};
use super::forger::set_head;
use super::matrix::{findings, run, tables};
use crate::support::{LINES, TestLine, on_both, two_lines};
use dutyline::store::WriteTx;
use dutyline::store::audit::{self, SERVICE};
use dutyline::vault::chain;
use std::collections::{BTreeMap, BTreeSet};

/// The signature is left as it is.
const AS_IT_IS: &str = "as it is";

/// The links after the last one that a member has signed: no signature covers them.
const NEWEST: &str = "the newest links of a line, after the last one that a member has signed";
/// A link that the inspector signs with their own key in place of the newest ones, or after them.
const OWN: &str = "links in their own name, also in place of the newest ones";

/// What is changed without a finding: which link, who signs it, the columns, and the row of the table in
/// `docs/security.md` that says what that does.
const NOT_FOUND: [(&str, &str, &[&str], &str); 6] = [
    ("the last link", AS_IT_IS, &["a copy", "at"], NEWEST),
    (
        "the last link",
        By::Service.name(),
        &["a copy", "at"],
        NEWEST,
    ),
    (
        "the last link",
        By::Inspector.name(),
        &["a copy", "actor", "at"],
        OWN,
    ),
    (
        "the last link that a member has signed",
        By::Inspector.name(),
        &[
            "a copy", "action", "actor", "at", "detail", "digest", "object", "report",
        ],
        OWN,
    ),
    ("an approval", By::Inspector.name(), &["a copy"], OWN),
    ("sealing again", By::Inspector.name(), &["a copy"], OWN),
];

/// Makes the hashes and MACs of a chain again from the link with this number on. If `signed` is given, signs the link
/// with that number.
async fn rewrite(
    attack: &Attack<'_>,
    tx: &mut WriteTx,
    (chain, from): (&str, i64),
    signed: Option<(i64, By)>,
) {
    let mut head = (0, chain::genesis(chain));
    for row in audit::links(tx, chain, 0).await.unwrap() {
        let Some(link) = row.link().filter(|_| row.seq >= from) else {
            head = (row.seq, row.hash.try_into().unwrap());
            continue;
        };
        let hash = chain::hash(&head.1, &link);
        head = (row.seq, hash);
        let mac = attack.forger.keys.of_link(&hash);
        let [hash_sql, mac_sql] = [hash, mac].map(|bytes| literal(attack.db(), &bytes));
        let signature = match signed.filter(|(seq, _)| *seq == row.seq) {
            None => String::new(),
            Some((_, by)) => match attack.signer(by).1 {
                None => ", signature = NULL, signer = NULL".to_owned(),
                Some(signer) => {
                    let (signature, id) = (
                        literal(attack.db(), &signer.sign(&hash)),
                        id_literal(attack.db(), signer.id()),
                    );
                    format!(", signature = {signature}, signer = {id}")
                }
            },
        };
        let sql = format!(
            "UPDATE audit SET hash = {hash_sql}, mac = {mac_sql}{signature} WHERE line = '{chain}' AND seq = {}",
            row.seq
        );
        assert_eq!(run(tx, sql).await, Some(1));
    }
    set_head(tx, chain, head.0, &head.1).await;
}

/// Returns what a link says and who has signed it, as its hash and its signature tell.
async fn signed(tx: &mut WriteTx, row: &str) -> (Cell, Cell) {
    let mut read = async |column: &str| {
        let sql = format!("SELECT {column} AS c FROM audit WHERE {row}");
        read_one(tx, Kind::Bytes, &sql).await
    };
    (read("hash").await, read("signature").await)
}

/// The links that are changed, by what they are called in the list.
const CHANGED: [(&str, &str, &str); 8] = [
    ("the first lead", SERVICE, "seq = 1"),
    (
        "a link of the service's chain",
        SERVICE,
        "action = 'member_added' AND seq > 1",
    ),
    ("the last link of the service's chain", SERVICE, "TRUE"),
    (
        "a call, before links that members have signed",
        LINE,
        "action = 'call_answered'",
    ),
    ("an approval", LINE, "action = 'reply_approved'"),
    ("sealing again", LINE, "action = 'report_keys_resealed'"),
    (
        "the last link that a member has signed",
        LINE,
        "signature IS NOT NULL",
    ),
    ("the last link", LINE, "TRUE"),
];

on_both! {
    async fn every_column_of_a_link_is_proven_or_named(line: TestLine = two_lines) {
        let line = &*line;
        let (attack, callers) = Attack::after_a_change(line).await;
        let audit = tables(line.db()).await.into_iter().find(|table| table.name == "audit").unwrap();
        let mut not_found: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
        let (mut count, mut refused) = (0, 0);
        for (what, chain, condition) in CHANGED {
            let end = if condition.starts_with("action = 'call") { "MIN" } else { "MAX" };
            let found = format!("SELECT {end}(seq) AS c FROM audit WHERE line = '{chain}' AND {condition}");
            let seq = read_one(&mut attack.begin().await, Kind::Number, &found).await.number();
            let row = format!("line = '{chain}' AND seq = {seq}");
            let before = signed(&mut attack.begin().await, &row).await;
            for (column, sql) in attack.cases(&audit, &row) {
                // There is no other hash and no other MAC that holds.
                let is_derived = matches!(column.as_str(), "hash" | "mac");
                // Who signs the link anew sets these.
                let is_set = is_derived || matches!(column.as_str(), "signature" | "signer");
                let ways = By::ALL.into_iter().filter(|_| !is_set).map(Some);
                for by in std::iter::once(None).chain(ways) {
                    let mut tx = attack.begin().await;
                    let Some(place) = write_one(attack.db(), &mut tx, &sql).await else {
                        refused += 1;
                        break;
                    };
                    let now = format!("SELECT seq AS c FROM audit WHERE {place}");
                    let now = read_one(&mut tx, Kind::Number, &now).await.number();
                    if let Some(by) = by {
                        let actor = attack.signer(by).0.map_or("NULL".to_owned(), |name| format!("'{name}'"));
                        assert_eq!(run(&mut tx, format!("UPDATE audit SET actor = {actor} WHERE {place}")).await, Some(1));
                    }
                    if !is_derived {
                        rewrite(&attack, &mut tx, (chain, seq), by.map(|by| (now, by))).await;
                    }
                    if signed(&mut tx, &format!("line = '{chain}' AND seq = {now}")).await == before {
                        // The signature that was there has been made again.
                        continue;
                    }
                    count += 1;
                    if findings(line, &mut tx, &LINES).await.is_empty() {
                        not_found.entry((what, by.map_or(AS_IT_IS, By::name))).or_default().insert(column.clone());
                    }
                }
            }
        }
        assert!(count > 500, "{count} cases, {refused} refused by the database");
        let mut expected: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
        for (what, by, columns, why) in NOT_FOUND {
            is_documented(why);
            expected.insert((what, by), columns.iter().map(|&column| column.to_owned()).collect());
        }
        assert_eq!(not_found, expected);
        drop(callers);
    }
}
