use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn leaves(count: u8) -> Vec<Hash> {
    (0..count).map(|n| leaf(&[n])).collect()
}

/// The leaves and roots of the tests of Certificate Transparency (`merkletree/merkle_tree_test.cc` of Google's
/// implementation).
#[test]
fn roots_are_those_of_certificate_transparency() {
    let contents: [&[u8]; 8] = [
        b"",
        b"\0",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let all: Vec<Hash> = contents.iter().map(|content| leaf(content)).collect();
    for (n, root) in (1..).zip(roots) {
        assert_eq!(hex(&tree(&all[..n]).unwrap().0), root, "{n}");
    }
    assert!(tree(&[]).is_none());
}

/// Roots and paths are kept longer than versions of this program. Computed with Python's hashlib and the description
/// above.
#[test]
fn roots_and_paths_are_stable() {
    for (count, root, paths) in [
        (
            1,
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            3,
            "3b6cccd7e3e023ff393006f030315ee7ad9eb111b022b41fba7e5b7a3973f688",
            "89a8b1957fe0cf31d29bb7a28f6038083427543bc0179ddc3904984809efe24d",
        ),
        (
            200,
            "e2f07a9cf65026ba282cb286d673b564787a64785575ad1aaa74468da02d6161",
            "59780f773b75cec918e73d239b4dc6725d5230e449df5bf9350581ed82816890",
        ),
    ] {
        let (found, of_leaves) = tree(&leaves(count)).unwrap();
        assert_eq!(hex(&found), root);
        assert_eq!(hex(&Sha256::digest(of_leaves.concat())), paths);
    }
    assert_eq!(
        hex(&leaf_of_key(Uuid::from_bytes([1; 16]), b"sealed")),
        "f21fc388bc1779b4f5fa3e4105d0a478c4b6be5d6dbfa79fee52d1fcfe7952b2"
    );
}

#[test]
fn only_the_own_path_leads_to_the_root() {
    for count in 1..40 {
        let leaves = leaves(count);
        let (root, paths) = tree(&leaves).unwrap();
        for (n, path) in paths.iter().enumerate() {
            assert!(leads_to(&root, leaves[n], path));
            let next = leaves[(n + 1) % leaves.len()];
            assert!(count == 1 || !leads_to(&root, next, path));
            assert!(!leads_to(&next, leaves[n], path) || count == 1);
            for i in 0..path.len() {
                let mut changed = path.clone();
                changed[i] ^= 1;
                assert!(!leads_to(&root, leaves[n], &changed), "byte {i}");
                assert!(!leads_to(&root, leaves[n], &path[..i]), "{i} bytes");
                changed[i] = path[i].wrapping_add(2);
                assert!(!leads_to(&root, leaves[n], &changed), "byte {i}");
            }
        }
    }
}

#[test]
fn a_path_that_is_too_long_leads_nowhere() {
    let (mut hash, mut path) = (leaf(b"x"), Vec::new());
    for _ in 0..=MAX_LEVELS {
        assert!(leads_to(&hash, leaf(b"x"), &path));
        path.push(RIGHT);
        path.extend_from_slice(&leaf(b"y"));
        hash = node(&hash, &leaf(b"y"));
    }
    assert!(!leads_to(&hash, leaf(b"x"), &path));
}
