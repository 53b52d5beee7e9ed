//! Runs the properties of the fuzz targets (`tests/fuzz`) on their seeds, so that the targets stay buildable and faults
//! found by fuzzing stay fixed without a fuzzer.

use std::path::Path;

macro_rules! seeds {
    ($($target:ident at $path:literal),*) => {
        $(#[path = $path]
        mod $target;

        #[test]
        fn $target() {
            each_seed(stringify!($target), $target::check);
        })*
    };
}

seeds! {
    ari at "../fuzz/properties/ari.rs",
    jambonz_webhook at "../fuzz/properties/jambonz_webhook.rs",
    jambonz_verbs at "../fuzz/properties/jambonz_verbs.rs",
    listen at "../fuzz/properties/listen.rs",
    signature at "../fuzz/properties/signature.rs",
    form at "../fuzz/properties/form.rs",
    twiml at "../fuzz/properties/twiml.rs",
    number at "../fuzz/properties/number.rs",
    signalwire at "../fuzz/properties/signalwire.rs",
    somleng at "../fuzz/properties/somleng.rs",
    telnyx at "../fuzz/properties/telnyx.rs",
    jambonz at "../fuzz/properties/jambonz.rs",
    settings at "../fuzz/properties/settings.rs"
}

fn each_seed(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(target);
    let mut seeds = 0;
    for file in std::fs::read_dir(folder).expect("a folder of seeds") {
        check(&std::fs::read(file.expect("a seed").path()).expect("its bytes"));
        seeds += 1;
    }
    assert!(seeds > 0);
}
