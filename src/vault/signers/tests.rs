//! Who may sign which link of the service's chain, case by case.

use super::*;
use crate::vault::chain;
use crate::vault::seal::Identity;
use crate::vault::signing::Signer;

const LINE_KEY: Uuid = Uuid::from_bytes([8; 16]);
const OTHER_KEY: Uuid = Uuid::from_bytes([9; 16]);

/// A member with a key, or the holder of a recovery key.
struct Who {
    name: &'static str,
    signer: Signer,
}

fn who(name: &'static str, id: Uuid, seed: u8) -> Who {
    Who {
        name,
        signer: Signer::new(id, &Identity::from_seed([seed; 32])),
    }
}

/// The first lead, another lead, an inspector, and the holder of the recovery key of `LINE_KEY`.
fn cast() -> [Who; 4] {
    [
        who("wang", Uuid::from_bytes([1; 16]), 1),
        who("zhao", Uuid::from_bytes([2; 16]), 2),
        who("li", Uuid::from_bytes([3; 16]), 3),
        who(RECOVERY_KEY, LINE_KEY, 4),
    ]
}

fn link(action: Action, object: Uuid, detail: &str, by: &Who) -> Link {
    Link {
        line: "*".into(),
        seq: 1,
        at: chrono::DateTime::UNIX_EPOCH,
        actor: Some(by.name.into()),
        action,
        report: None,
        object: Some(object),
        digest: Some([7; 32]),
        detail: Some(detail.into()),
    }
}

/// Adds a link with the signature of `by`, and returns whether it was accepted.
fn add(signers: &mut Signers, link: &Link, by: &Signer) -> bool {
    let hash = chain::hash(&[0; 32], link);
    let signature = by.sign(&hash);
    let signed = Signed {
        by: by.id(),
        signature: &signature,
    };
    signers.add(link, &hash, Some(signed))
}

fn added(who: &Who, role: &str, by: &Who) -> Link {
    let detail = format!("{role} {} {}", who.signer.verifying(), who.name);
    link(Action::MemberAdded, who.signer.id(), &detail, by)
}

fn line_key(id: Uuid, recovery: &Who, by: &Who) -> Link {
    let detail = format!("fcg-5 {}", recovery.signer.verifying());
    link(Action::LineKeyMade, id, &detail, by)
}

fn granted(key: Uuid, to: &Who, by: &Who) -> Link {
    link(Action::Granted, to.signer.id(), &key.to_string(), by)
}

/// A chain that has added the cast, and given the first lead the line.
fn chain_of_cast() -> Signers {
    let [wang, zhao, li, recovery] = cast();
    let mut signers = Signers::new(Some(wang.signer.verifying()));
    for link in [
        added(&wang, "lead", &wang),
        line_key(LINE_KEY, &recovery, &wang),
        granted(LINE_KEY, &wang, &wang),
        added(&zhao, "lead", &wang),
        added(&li, "inspector", &wang),
    ] {
        assert!(add(&mut signers, &link, &wang.signer));
    }
    signers
}

#[test]
fn each_link_is_signed_by_whom_the_table_says() {
    let all = cast();
    let [wang, _, li, _] = &all;
    let (id, next) = (li.signer.id(), who("x", Uuid::from_bytes([6; 16]), 6));
    // By action: who of the cast may sign the link.
    let cases: [(Action, Uuid, String, [bool; 4]); 14] = {
        let key = next.signer.verifying();
        let grant = LINE_KEY.to_string();
        let new = next.signer.id();
        let yes_no = |text: &str| -> [bool; 4] {
            let flags: Vec<bool> = text.chars().map(|flag| flag == '+').collect();
            flags.try_into().unwrap()
        };
        [
            (
                Action::MemberAdded,
                new,
                format!("lead {key} x y"),
                yes_no("++-+"),
            ),
            (
                Action::PasswordChanged,
                id,
                format!("{key} li"),
                yes_no("--+-"),
            ),
            (Action::MemberDisabled, id, "li".into(), yes_no("++--")),
            (Action::MemberEnabled, id, "li".into(), yes_no("++--")),
            (Action::MemberConfirmed, id, "li".into(), yes_no("++--")),
            (
                Action::MemberConfirmed,
                wang.signer.id(),
                "wang".into(),
                yes_no("-++-"),
            ),
            (
                Action::LineKeyMade,
                OTHER_KEY,
                format!("fcg-6 {key}"),
                yes_no("++--"),
            ),
            (Action::Granted, id, grant.clone(), yes_no("++-+")),
            (Action::Granted, id, OTHER_KEY.to_string(), yes_no("++--")),
            (Action::GrantRenewed, id, grant.clone(), yes_no("++--")),
            (Action::TakenOff, id, grant.clone(), yes_no("++--")),
            (Action::LineKeyRetired, id, grant, yes_no("----")),
            (
                Action::ConfirmationWaived,
                id,
                "fcg-5".into(),
                yes_no("++--"),
            ),
            (
                Action::ConfirmationRequired,
                id,
                "fcg-5".into(),
                yes_no("++-+"),
            ),
        ]
    };
    for (action, object, detail, expected) in cases {
        let may = all.each_ref().map(|by| {
            let link = link(action, object, &detail, by);
            add(&mut chain_of_cast(), &link, &by.signer)
        });
        assert_eq!(may, expected, "{action:?} {detail}");
        let unsigned = link(action, object, &detail, wang);
        let hash = chain::hash(&[0; 32], &unsigned);
        assert!(!chain_of_cast().add(&unsigned, &hash, None));
        // In the name of another one.
        for by in &all {
            let named = all.iter().find(|other| other.name != by.name).unwrap();
            let link = link(action, object, &detail, named);
            assert!(!add(&mut chain_of_cast(), &link, &by.signer), "{action:?}");
        }
        let broken = link(action, object, &detail, wang);
        let other_text = Link {
            detail: None,
            ..broken
        };
        let changes_access = matches!(
            action,
            Action::MemberDisabled | Action::MemberEnabled | Action::MemberConfirmed
        );
        if !changes_access {
            assert!(!add(&mut chain_of_cast(), &other_text, &wang.signer));
        }
    }
}

#[test]
fn only_the_pinned_lead_comes_first() {
    let [wang, zhao, li, _] = cast();
    let mut signers = Signers::new(Some(wang.signer.verifying()));
    assert!(!add(
        &mut signers,
        &added(&zhao, "lead", &zhao),
        &zhao.signer
    ));
    assert!(!add(
        &mut signers,
        &added(&wang, "lead", &zhao),
        &zhao.signer
    ));
    assert!(!add(
        &mut signers,
        &line_key(LINE_KEY, &li, &wang),
        &wang.signer
    ));
    assert!(signers.is_first(&added(&wang, "lead", &wang)));
    assert!(!signers.is_first(&added(&zhao, "lead", &zhao)));
    assert!(add(
        &mut signers,
        &added(&wang, "lead", &wang),
        &wang.signer
    ));
    assert!(add(
        &mut Signers::default(),
        &added(&zhao, "lead", &zhao),
        &zhao.signer
    ));
}

#[test]
fn a_key_counts_until_it_is_replaced_or_its_member_disabled() {
    let [wang, zhao, li, _] = cast();
    let next = who("li", li.signer.id(), 6);
    let mut signers = chain_of_cast();
    let given = granted(LINE_KEY, &li, &wang);
    assert!(add(&mut signers, &given, &wang.signer));
    let detail = format!("{} li", next.signer.verifying());
    let changed = link(Action::PasswordChanged, li.signer.id(), &detail, &li);
    assert!(add(&mut signers, &changed, &li.signer));
    let renewed = link(
        Action::GrantRenewed,
        li.signer.id(),
        &LINE_KEY.to_string(),
        &li,
    );
    assert!(!add(&mut signers, &renewed, &li.signer), "the former key");
    assert!(add(&mut signers, &renewed, &next.signer));

    let disabled = link(Action::MemberDisabled, zhao.signer.id(), "zhao", &wang);
    let enabled = link(Action::MemberEnabled, zhao.signer.id(), "zhao", &wang);
    let waived = link(Action::ConfirmationWaived, Uuid::nil(), "fcg-5", &zhao);
    assert!(add(&mut signers, &waived, &zhao.signer));
    assert!(add(&mut signers, &disabled, &wang.signer));
    assert!(!add(&mut signers, &waived, &zhao.signer), "a disabled lead");
    let own = link(Action::MemberEnabled, zhao.signer.id(), "zhao", &zhao);
    assert!(!add(&mut signers, &own, &zhao.signer));
    assert!(add(&mut signers, &enabled, &wang.signer));
    assert!(add(&mut signers, &waived, &zhao.signer));
}

#[test]
fn a_link_of_a_line_is_signed_by_its_actor_with_any_key_they_had() {
    let [wang, _, li, recovery] = cast();
    let signers = {
        let mut signers = chain_of_cast();
        let next = who("li", li.signer.id(), 6);
        let detail = format!("{} li", next.signer.verifying());
        let changed = link(Action::PasswordChanged, li.signer.id(), &detail, &li);
        assert!(add(&mut signers, &changed, &li.signer));
        signers
    };
    let of_line = |line: &str, by: &Who| Link {
        line: line.into(),
        ..link(Action::EntryAdded, Uuid::nil(), "note", by)
    };
    let holds = |link: &Link, by: &Signer| {
        let hash = chain::hash(&[0; 32], link);
        let signature = by.sign(&hash);
        let signed = Signed {
            by: by.id(),
            signature: &signature,
        };
        signers.has_signed(link, &hash, Some(signed))
    };
    let next = Signer::new(li.signer.id(), &Identity::from_seed([6; 32]));
    assert!(holds(&of_line("fcg-5", &li), &li.signer));
    assert!(holds(&of_line("fcg-5", &li), &next));
    assert!(
        !holds(&of_line("fcg-5", &wang), &li.signer),
        "in another name"
    );
    assert!(holds(&of_line("fcg-5", &recovery), &recovery.signer));
    assert!(
        !holds(&of_line("fcg-6", &recovery), &recovery.signer),
        "of another line"
    );
    let stranger = Signer::new(Uuid::from_bytes([5; 16]), &Identity::from_seed([5; 32]));
    assert!(!holds(&of_line("fcg-5", &li), &stranger));
    let of_service = |kind: &str| Link {
        actor: None,
        detail: Some(kind.to_owned()),
        ..of_line("fcg-5", &li)
    };
    let forged = of_service("reply");
    assert!(!signers.has_signed(&forged, &chain::hash(&[0; 32], &forged), None));
    let of_service = of_service("recording");
    let hash = chain::hash(&[0; 32], &of_service);
    assert!(signers.has_signed(&of_service, &hash, None));
    assert!(!holds(&of_service, &li.signer), "a caller signs nothing");
    let hash_of_li = chain::hash(&[0; 32], &of_line("fcg-5", &li));
    assert!(!signers.has_signed(&of_line("fcg-5", &li), &hash_of_li, None));
}

#[test]
fn a_lines_next_key_is_made_by_a_lead_who_holds_the_key_before() {
    let [wang, zhao, li, recovery] = cast();
    let mut signers = chain_of_cast();
    let next = |id: Uuid, by: &Who| line_key(id, &recovery, by);
    assert!(!add(&mut signers, &next(OTHER_KEY, &zhao), &zhao.signer));
    for to in [&zhao, &li] {
        let given = granted(LINE_KEY, to, &wang);
        assert!(add(&mut signers, &given, &wang.signer));
    }
    assert!(!add(&mut signers, &next(OTHER_KEY, &li), &li.signer));
    assert!(add(&mut signers, &next(OTHER_KEY, &zhao), &zhao.signer));
    // To hold a former key is not enough, and neither is a key that was taken away.
    let third = Uuid::from_bytes([10; 16]);
    assert!(!add(&mut signers, &next(third, &wang), &wang.signer));
    let given = granted(OTHER_KEY, &wang, &zhao);
    assert!(add(&mut signers, &given, &zhao.signer));
    let taken = link(
        Action::TakenOff,
        wang.signer.id(),
        &OTHER_KEY.to_string(),
        &zhao,
    );
    assert!(add(&mut signers, &taken, &zhao.signer));
    assert!(!add(&mut signers, &next(third, &wang), &wang.signer));
}

#[test]
fn only_a_former_line_key_is_retired() {
    let [wang, _, li, recovery] = cast();
    let mut signers = chain_of_cast();
    let retired = link(
        Action::LineKeyRetired,
        li.signer.id(),
        &LINE_KEY.to_string(),
        &li,
    );
    assert!(!add(&mut signers, &retired, &li.signer));
    let next = line_key(OTHER_KEY, &recovery, &wang);
    assert!(add(&mut signers, &next, &wang.signer));
    assert!(add(&mut signers, &retired, &li.signer));
    let unknown = link(
        Action::LineKeyRetired,
        li.signer.id(),
        &Uuid::nil().to_string(),
        &li,
    );
    assert!(!add(&mut signers, &unknown, &li.signer));
}

#[test]
fn a_recovery_key_that_was_replaced_signs_nothing() {
    let [wang, _, li, recovery] = cast();
    let next = who(RECOVERY_KEY, OTHER_KEY, 6);
    let mut signers = chain_of_cast();
    let granted = |key: Uuid, by: &Who| {
        let id = li.signer.id();
        link(Action::Granted, id, &key.to_string(), by)
    };
    assert!(add(
        &mut signers,
        &granted(LINE_KEY, &recovery),
        &recovery.signer
    ));
    let made = line_key(OTHER_KEY, &next, &wang);
    assert!(add(&mut signers, &made, &wang.signer));
    for key in [LINE_KEY, OTHER_KEY] {
        assert!(!add(
            &mut signers,
            &granted(key, &recovery),
            &recovery.signer
        ));
    }
    assert!(add(&mut signers, &granted(OTHER_KEY, &next), &next.signer));
}

#[test]
fn a_member_renews_only_the_grants_that_they_hold() {
    let [wang, _, li, _] = cast();
    let mut signers = chain_of_cast();
    let renewed = link(
        Action::GrantRenewed,
        li.signer.id(),
        &LINE_KEY.to_string(),
        &li,
    );
    assert!(!add(&mut signers, &renewed, &li.signer));
    let given = granted(LINE_KEY, &li, &wang);
    assert!(add(&mut signers, &given, &wang.signer));
    assert!(add(&mut signers, &renewed, &li.signer));
}

#[test]
fn the_links_say_what_a_members_row_must_say() {
    let [wang, zhao, li, _] = cast();
    let mut signers = chain_of_cast();
    let nobody = who("x", Uuid::from_bytes([6; 16]), 6);
    let about = |action: Action, of: &Who, by: &Who| link(action, of.signer.id(), of.name, by);
    let confirmed = about(Action::MemberConfirmed, &nobody, &zhao);
    assert!(
        !add(&mut signers, &confirmed, &zhao.signer),
        "no such member"
    );
    assert!(signers.facts(nobody.signer.id()).is_none());
    let added = Facts {
        name: "li".into(),
        role: Role::Inspector,
        is_disabled: false,
        made_by: Some(wang.signer.id()),
        confirmed_by: None,
        verifying: li.signer.verifying().to_string(),
        keyed: Keyed {
            digest: [7; 32],
            is_disabled: false,
            confirmed_by: None,
        },
    };
    let facts = |signers: &Signers| signers.facts(li.signer.id()).unwrap().clone();
    assert_eq!(facts(&signers), added);
    for (action, by) in [
        (Action::MemberConfirmed, &zhao),
        (Action::MemberDisabled, &wang),
        (Action::MemberEnabled, &wang),
    ] {
        assert!(add(&mut signers, &about(action, &li, by), &by.signer));
    }
    let confirmed = Facts {
        confirmed_by: Some(zhao.signer.id()),
        ..added.clone()
    };
    assert_eq!(facts(&signers), confirmed);
    // The next key, with the row as it is then.
    let next = who("li", li.signer.id(), 7);
    let changed = Link {
        digest: Some([8; 32]),
        ..link(
            Action::PasswordChanged,
            li.signer.id(),
            &format!("{} li", next.signer.verifying()),
            &li,
        )
    };
    assert!(add(&mut signers, &changed, &li.signer));
    let keyed = Facts {
        verifying: next.signer.verifying().to_string(),
        keyed: Keyed {
            digest: [8; 32],
            is_disabled: false,
            confirmed_by: Some(zhao.signer.id()),
        },
        ..confirmed
    };
    assert_eq!(facts(&signers), keyed);
    let of_recovery = who(RECOVERY_KEY, LINE_KEY, 4);
    let by_recovery = link(
        Action::MemberAdded,
        nobody.signer.id(),
        &format!("inspector {} x", nobody.signer.verifying()),
        &of_recovery,
    );
    assert!(add(&mut signers, &by_recovery, &of_recovery.signer));
    assert_eq!(signers.facts(nobody.signer.id()).unwrap().made_by, None);
}
