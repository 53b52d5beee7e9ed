//! Writes rows and links as the program does, with the service secret and without asking the program.

use crate::support::TestLine;
use crate::support::sql::run_in;
use dutyline::base::clock::Clock;
use dutyline::store::{WriteTx, audit, installation};
use dutyline::vault::chain::{self, Link};
use dutyline::vault::proof::ProofKeys;
use dutyline::vault::secret::ServiceSecret;
use dutyline::vault::signing::Signer;
use uuid::Uuid;

/// An attacker who has the service secret.
pub struct Forger {
    pub keys: ProofKeys,
    clock: Clock,
}

impl Forger {
    pub async fn of(line: &TestLine) -> Self {
        let secret = ServiceSecret::load(&line.service().config.secret_file).unwrap();
        let mut tx = line.db().begin_read().await.unwrap();
        let installation = installation::get(&mut tx).await.unwrap().unwrap().id;
        Self {
            keys: ProofKeys::new(&secret, installation),
            clock: line.service().clock,
        }
    }

    /// Adds a link to the end of its chain, signed by `by`, and returns its number. Its hash and its MAC hold.
    pub async fn link(&self, tx: &mut WriteTx, mut link: Link, by: Option<&Signer>) -> i64 {
        let head = audit::head(tx, &link.line).await.unwrap();
        let (seq, before) = head.unwrap_or_else(|| (0, chain::genesis(&link.line)));
        link.seq = seq + 1;
        link.at = self.clock.line_now();
        let hash = chain::hash(&before, &link);
        let mac = self.keys.of_link(&hash);
        let signature = by.map_or_else(Vec::new, |by| by.sign(&hash).to_vec());
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (actor, detail) = (text(&link.actor), text(&link.detail));
        let digest = link.digest.map_or_else(Vec::new, |digest| digest.to_vec());
        let none = Uuid::nil();
        let sql = "INSERT INTO audit (line, seq, at, actor, action, report, object, digest, detail, hash, mac, signature, signer)
            VALUES ($1, $2, $3, NULLIF($4, ''), $5, (SELECT n FROM reports WHERE id = $6), NULLIF($7, $15), NULLIF($8, $14),
            NULLIF($9, ''), $10, $11, NULLIF($12, $14), NULLIF($13, $15))";
        let values = [
            link.line.as_str().into(),
            link.seq.into(),
            link.at.into(),
            actor.as_str().into(),
            link.action.as_str().into(),
            link.report.unwrap_or(none).into(),
            link.object.unwrap_or(none).into(),
            (&digest).into(),
            detail.as_str().into(),
            hash[..].into(),
            mac[..].into(),
            (&signature).into(),
            by.map_or(none, Signer::id).into(),
            [][..].into(),
            none.into(),
        ];
        assert_eq!(run_in(tx, sql, &values).await, 1);
        set_head(tx, &link.line, link.seq, &hash).await;
        link.seq
    }
}

/// Sets the end of a chain.
pub async fn set_head(tx: &mut WriteTx, chain: &str, seq: i64, hash: &[u8; 32]) {
    let sql = "INSERT INTO audit_heads (line, seq, hash) VALUES ($1, $2, $3)
        ON CONFLICT (line) DO UPDATE SET seq = excluded.seq, hash = excluded.hash";
    let values = [chain.into(), seq.into(), hash[..].into()];
    assert_eq!(run_in(tx, sql, &values).await, 1);
}
