use super::*;
use crate::base::clock::{self, random_id};
use crate::vault::{seal, stock};
use proptest::prelude::*;
use std::fs;
use std::io::{Read, Seek};
use std::time::SystemTime;
use tempfile::TempDir;

const CHUNK: usize = 64 * 1024;

/// 2024-04-07 09:41:07.123 in China.
fn some_time() -> DateTime<Utc> {
    "2024-04-07T01:41:07.123Z".parse().unwrap()
}

/// A folder of objects, deleted on drop.
struct Scene {
    _temp: TempDir,
    folder: PathBuf,
    blobs: Blobs,
}

impl Scene {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("data/recordings");
        let blobs = Blobs::make(&folder, Uuid::nil()).unwrap();
        Self {
            _temp: temp,
            folder,
            blobs,
        }
    }

    fn path(&self, object: Uuid) -> PathBuf {
        self.folder.join(object_name(object))
    }

    fn exists(&self, object: Uuid) -> bool {
        self.path(object).exists()
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut all: Vec<_> = fs::read_dir(&self.folder)
            .unwrap()
            .map(|item| item.unwrap().path())
            .filter(|path| !path.ends_with(MARKER))
            .collect();
        all.sort();
        all
    }

    fn store(&self, key: &Identity, audio: &[u8]) -> Stored {
        let mut writer = self.blobs.writer(&key.recipient()).unwrap();
        for piece in audio.chunks(8000) {
            writer.write(piece).unwrap();
        }
        assert_eq!(writer.length(), audio.len() as u64);
        writer.finish(some_time()).unwrap().keep()
    }

    fn reader(&self, stored: &Stored, key: &Identity, length: u64) -> Result<Reader, OpenError> {
        self.blobs
            .reader(stored.object, &stored.digests, key, length)
    }
}

/// Audio in which each group of 8 bytes depends on its position.
fn audio(length: usize) -> Vec<u8> {
    (0..length.div_ceil(8) as u64)
        .flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes())
        .take(length)
        .collect()
}

#[test]
fn what_is_stored_is_what_it_says_and_private_and_on_the_hour() {
    let scene = Scene::new();
    let key = Identity::generate();
    assert!(!scene.exists(random_id()));
    let audio = audio(100_001);
    let stored = scene.store(&key, &audio);
    let id = stored.object;
    assert!(scene.exists(id));
    let file = fs::read(scene.path(id)).unwrap();
    let sha = |bytes: &[u8]| -> [u8; 32] { Sha256::digest(bytes).into() };
    assert_eq!(
        stored,
        Stored {
            object: id,
            padded: padme(100_001),
            length: 100_001,
            plain_sha256: sha(&audio),
            digests: Digests {
                whole: sha(&file),
                header: sha(header(&file).unwrap()),
            },
            sealed_bytes: file.len() as u64,
        }
    );
    assert_eq!(scene.blobs.digests(id).unwrap(), stored.digests);
    let plain = seal::open(&file, &key).unwrap();
    assert_eq!(plain.len() as u64, stored.padded);
    assert_eq!(plain[..audio.len()], audio);
    assert!(plain[audio.len()..].iter().all(|byte| *byte == 0));

    let meta = fs::metadata(scene.path(id)).unwrap();
    let hour: DateTime<Utc> = "2024-04-07T01:00:00Z".parse().unwrap();
    assert_eq!(meta.modified().unwrap(), SystemTime::from(hour));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        let folder = fs::metadata(&scene.folder).unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    }
    assert!(!format!("{stored:?}").contains("100001"));
}

#[cfg(unix)]
#[test]
fn a_folder_others_can_look_into_is_closed() {
    use std::os::unix::fs::PermissionsExt;
    let temp = tempfile::tempdir().unwrap();
    let mode = |mode| fs::set_permissions(temp.path(), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o755);
    Blobs::make(temp.path(), Uuid::nil()).unwrap();
    let now = fs::metadata(temp.path()).unwrap().permissions().mode();
    assert_eq!(now & 0o777, 0o700);
}

#[test]
fn plain_audio_never_touches_the_disk() {
    let scene = Scene::new();
    let canary = b"CANARY-CANARY-CANARY";
    let mut writer = scene
        .blobs
        .writer(&Identity::generate().recipient())
        .unwrap();
    // More than all buffers hold, so that some of it is on disk before the end.
    let audio = canary.repeat(50_000);
    writer.write(&audio).unwrap();
    let clean = || {
        let all = scene.files();
        assert_eq!(all.len(), 1);
        let bytes = fs::read(&all[0]).unwrap();
        assert!(bytes.len() > 500_000, "{}", bytes.len());
        assert!(!bytes.windows(6).any(|window| window == b"CANARY"));
    };
    clean();
    writer.finish(some_time()).unwrap().keep();
    clean();
}

#[test]
fn an_unfinished_recording_leaves_nothing() {
    let scene = Scene::new();
    let mut writer = scene
        .blobs
        .writer(&Identity::generate().recipient())
        .unwrap();
    writer.write(&audio(300_000)).unwrap();
    let all = scene.files();
    assert!(all.len() == 1 && all[0].extension().unwrap() == "part");
    drop(writer);
    assert!(scene.files().is_empty());
}

#[test]
fn a_finished_file_that_no_row_will_name_leaves_nothing() {
    let scene = Scene::new();
    let mut writer = scene
        .blobs
        .writer(&Identity::generate().recipient())
        .unwrap();
    writer.write(b"finished").unwrap();
    let finished = writer.finish(some_time()).unwrap();
    assert!(scene.exists(finished.stored().object));
    drop(finished);
    assert!(scene.files().is_empty());
}

#[test]
fn sweeping_takes_what_a_crash_of_this_machine_left_and_nothing_else() {
    let scene = Scene::new();
    let key = Identity::generate();
    scene.store(&key, b"finished");
    let mut busy = scene.blobs.writer(&key.recipient()).unwrap();
    busy.write(b"still at it").unwrap();
    let being_written = scene
        .files()
        .into_iter()
        .find(|file| file.extension() == Some("part".as_ref()));
    let being_written = being_written.unwrap().file_stem().unwrap().to_owned();
    let (_, node) = being_written.to_str().unwrap().rsplit_once('.').unwrap();
    let left_by = |node: &str| {
        let name = format!("{}.age.{node}.part", random_id());
        let left = scene.folder.join(name);
        fs::write(&left, b"left over").unwrap();
        left
    };
    let own = left_by(node);
    let others = left_by("another0");
    assert_eq!(scene.blobs.tidy().unwrap(), 1);
    assert!(!own.exists() && others.exists());
    assert_eq!(scene.blobs.tidy().unwrap(), 0);
    let stored = busy.finish(some_time()).unwrap().keep();
    assert!(scene.exists(stored.object));
    assert_eq!(scene.files().len(), 3);
}

#[test]
fn two_writers_never_write_the_same_file() {
    let scene = Scene::new();
    let key = Identity::generate();
    let mut a = scene.blobs.writer(&key.recipient()).unwrap();
    let mut b = scene.blobs.writer(&key.recipient()).unwrap();
    a.write(b"first").unwrap();
    b.write(b"other").unwrap();
    let b = b.finish(some_time()).unwrap().keep();
    let a = a.finish(some_time()).unwrap().keep();
    let read = |stored: Stored| {
        let mut reader = scene.reader(&stored, &key, 5).unwrap();
        reader.read_range(0, 5).unwrap()
    };
    assert_eq!(read(a), b"first");
    assert_eq!(read(b), b"other");
    assert_eq!(scene.files().len(), 2);
}

#[test]
fn files_no_row_names_are_found_and_kept_for_thirty_days() {
    let scene = Scene::new();
    let key = Identity::generate();
    let [named, unnamed] = [b"named..", b"unnamed"].map(|said| scene.store(&key, said));
    let mut busy = scene.blobs.writer(&key.recipient()).unwrap();
    busy.write(b"still at it").unwrap();
    let left = format!("{}.age.another0.part", random_id());
    fs::write(scene.folder.join(&left), b"left over").unwrap();
    let copy = format!("{}.age.bak", unnamed.object);
    for other in ["README", &copy] {
        fs::write(scene.folder.join(other), b"not ours").unwrap();
    }
    let rows = HashSet::from([named.object]);
    let names = |found: Vec<Unnamed>| {
        let mut names: Vec<String> = found.into_iter().map(|file| file.name).collect();
        names.sort();
        names
    };
    let mut both = vec![format!("{}.age", unnamed.object), left];
    both.sort();
    // Their modification times are set to 2024; the inodes show that they were finished just now.
    let now = clock::Clock::system().system_now();
    let soon = now + TimeDelta::minutes(1);
    assert_eq!(names(scene.blobs.unnamed(&rows, soon).unwrap()), both);
    let earlier = now - TimeDelta::minutes(1);
    assert_eq!(scene.blobs.unnamed(&rows, earlier).unwrap(), []);

    let just_before = now + TimeDelta::days(30) - TimeDelta::minutes(1);
    assert_eq!(scene.blobs.remove_unnamed(&rows, just_before).unwrap(), []);
    assert_eq!(scene.files().len(), 6);
    let after = now + TimeDelta::days(30) + TimeDelta::minutes(1);
    assert_eq!(
        names(scene.blobs.remove_unnamed(&rows, after).unwrap()),
        both
    );
    assert_eq!(scene.files().len(), 4);
    assert!(scene.exists(named.object));
    busy.finish(some_time()).unwrap().keep();
}

#[test]
fn stock_age_opens_a_copy_and_the_length_cuts_the_padding() {
    let scene = Scene::new();
    let key = Identity::generate();
    let audio = audio(200_003);
    let id = scene.store(&key, &audio).object;
    let dest = scene.folder.with_file_name("copy.age");
    scene.blobs.copy_sealed(id, &dest).unwrap();
    let secret = key.to_secret();
    let plain = stock::age_opens(&dest, secret.expose().as_bytes());
    assert_eq!(plain.len() as u64, padme(200_003));
    assert_eq!(plain[..200_003], audio);
    let times = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(times(&dest), times(&scene.path(id)));
    // An existing file is not overwritten, in particular not the recording itself.
    for there in [dest, scene.path(id)] as [PathBuf; 2] {
        let error = scene.blobs.copy_sealed(id, &there).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(there.exists());
    }
}

#[test]
fn lengths_at_the_edges_read_back() {
    let scene = Scene::new();
    let key = Identity::generate();
    for length in [0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK] {
        let audio = audio(length);
        let stored = scene.store(&key, &audio);
        let mut reader = scene.reader(&stored, &key, stored.length).unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert!(all == audio, "length {length}");
        reader.rewind().unwrap();
        all.clear();
        reader.read_to_end(&mut all).unwrap();
        assert!(all == audio, "length {length}, again");
    }
}

#[test]
fn a_wrong_key_and_a_length_that_is_not_there_are_refused() {
    let scene = Scene::new();
    let key = Identity::generate();
    let stored = scene.store(&key, &audio(1001));
    assert_eq!(
        scene
            .reader(&stored, &Identity::generate(), 1001)
            .unwrap_err(),
        OpenError::WrongKey
    );
    assert_eq!(
        scene.reader(&stored, &key, stored.padded + 1).unwrap_err(),
        OpenError::Damaged
    );
}

#[test]
fn a_cut_is_seen_at_once_and_a_change_where_it_is() {
    let scene = Scene::new();
    let key = Identity::generate();
    let audio = audio(3 * CHUNK);
    let stored = scene.store(&key, &audio);
    let path = scene.path(stored.object);
    let whole = fs::read(&path).unwrap();
    let header = whole.len() - 3 * (CHUNK + 16);
    for kept in [
        0,
        10,
        header - 1,
        header,
        header + CHUNK + 16,
        header + 2 * (CHUNK + 16),
        whole.len() - 1,
    ] {
        fs::write(&path, &whole[..kept]).unwrap();
        // Also if only a range that still exists would be read.
        assert!(scene.reader(&stored, &key, 100).is_err(), "cut at {kept}");
    }
    let mut changed = whole.clone();
    changed[header + CHUNK + 100] ^= 1;
    fs::write(&path, &changed).unwrap();
    let length = audio.len() as u64;
    let mut reader = scene.reader(&stored, &key, length).unwrap();
    let first = reader.read_range(0, CHUNK as u64).unwrap();
    assert!(first == audio[..CHUNK]);
    assert!(reader.read_range(CHUNK as u64, CHUNK as u64 + 1).is_err());
    let mut reader = scene.reader(&stored, &key, length).unwrap();
    assert!(reader.read_to_end(&mut Vec::new()).is_err());
    // Two chunks swapped.
    let mut swapped = whole[..header].to_vec();
    for piece in [1, 0, 2] {
        swapped.extend_from_slice(&whole[header + piece * (CHUNK + 16)..][..CHUNK + 16]);
    }
    fs::write(&path, &swapped).unwrap();
    let mut reader = scene.reader(&stored, &key, length).unwrap();
    assert!(reader.read_range(0, 10).is_err());
}

#[test]
fn another_object_sealed_to_the_same_key_is_refused() {
    let scene = Scene::new();
    let key = Identity::generate();
    let [stored, other] = [b"honest", b"forged"].map(|said| scene.store(&key, said));
    fs::copy(scene.path(other.object), scene.path(stored.object)).unwrap();
    let refused = scene.reader(&stored, &key, 6).unwrap_err();
    assert_eq!(refused, OpenError::Damaged);
    // The first object's header, followed by the chunks of the other one.
    let (honest, forged) = (scene.store(&key, b"honest"), scene.store(&key, b"forged"));
    let mut mixed = fs::read(scene.path(honest.object)).unwrap();
    mixed.truncate(header(&mixed).unwrap().len());
    let chunks = fs::read(scene.path(forged.object)).unwrap();
    mixed.extend_from_slice(&chunks[header(&chunks).unwrap().len()..]);
    fs::write(scene.path(honest.object), mixed).unwrap();
    assert!(scene.reader(&honest, &key, 6).is_err());
}

/// A store in which another object gets the name after the first read.
#[derive(Debug)]
struct Swapping {
    objects: [Vec<u8>; 2],
    gets: std::sync::atomic::AtomicUsize,
}

impl ObjectStore for Swapping {
    fn check_marker(&self) -> Result<(), MarkerError> {
        Ok(())
    }

    fn put(&self, _: &str) -> io::Result<Box<dyn port::Put>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn about(&self, _: &str) -> io::Result<port::About> {
        let bytes = self.objects[1].len() as u64;
        let (modified, changed) = (some_time(), some_time());
        Ok(port::About {
            bytes,
            modified,
            changed,
        })
    }

    fn get(&self, _: &str, range: std::ops::Range<u64>) -> io::Result<Vec<u8>> {
        let gets = self.gets.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let object = &self.objects[gets.min(1)];
        let end = usize::try_from(range.end).unwrap().min(object.len());
        Ok(object[usize::try_from(range.start).unwrap()..end].to_vec())
    }

    fn delete(&self, _: &str) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn list(&self) -> io::Result<Vec<port::Listed>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn tidy(&self) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[test]
fn an_object_that_is_exchanged_while_it_is_opened_is_refused() {
    let scene = Scene::new();
    let key = Identity::generate();
    let [honest, forged] = [b"honest", b"forged"].map(|said| scene.store(&key, said));
    let read = |stored: &Stored| fs::read(scene.path(stored.object)).unwrap();
    let opened = |second: &Stored| {
        let store = Arc::new(Swapping {
            objects: [read(&honest), read(second)],
            gets: Default::default(),
        });
        Reader::new(store, honest.object, &honest.digests, &key, 6)
            .and_then(|mut reader| Ok(reader.read_range(0, 6)?))
    };
    assert_eq!(opened(&honest).unwrap(), b"honest");
    assert!(opened(&forged).is_err());
}

#[test]
fn writers_and_readers_can_go_to_another_thread() {
    fn sendable<T: Send + 'static>() {}
    sendable::<Writer>();
    sendable::<Reader>();
    sendable::<Blobs>();
}

#[test]
fn padme_is_the_papers() {
    // Figures from the reference implementation of the paper.
    for (length, padded) in [
        (0, 0),
        (1, 1),
        (2, 2),
        (8, 8),
        (9, 10),
        (33, 36),
        (1000, 1024),
        (1_000_000, 1_015_808),
    ] {
        assert_eq!(padme(length), padded, "{length}");
    }
    assert_eq!(padme(u64::MAX), u64::MAX);
    // Audio of at most five minutes, in steps of 20 ms, has few different padded lengths.
    let lengths: HashSet<u64> = (1..=2_400_000).step_by(160).map(padme).collect();
    assert!(lengths.len() < 400, "{}", lengths.len());
}

proptest! {
    #[test]
    fn padme_never_cuts_costs_little_and_stays(length in 1u64..1 << 60) {
        let padded = padme(length);
        prop_assert!(padded >= length);
        prop_assert!((padded - length) as f64 <= 0.12 * length as f64);
        prop_assert_eq!(padme(padded), padded);
        prop_assert!(padme(length + 1) >= padded);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_range_is_that_slice(length in 1usize..4 * CHUNK, ranges in prop::collection::vec((0f64..1.2, 0f64..1.2), 1..12), round: bool) {
        let scene = Scene::new();
        let key = Identity::from_seed([1; 32]);
        let audio = audio(length);
        let stored = scene.store(&key, &audio);
        // One reader for all ranges: its previous position must not matter.
        let mut reader = scene.reader(&stored, &key, length as u64).unwrap();
        for (a, b) in ranges {
            let at = |share: f64| {
                let at = (share * length as f64) as usize;
                if round { at / CHUNK * CHUNK } else { at }
            };
            let (start, end) = (at(a), at(b));
            let expected = audio.get(start..end.min(length)).unwrap_or(&[]);
            let got = reader.read_range(start as u64, end as u64).unwrap();
            prop_assert!(got == expected, "{}..{} of {}", start, end, length);
        }
    }

    #[test]
    fn any_flipped_bit_is_refused(at: prop::sample::Index, bit in 0u8..8) {
        let scene = Scene::new();
        let key = Identity::from_seed([1; 32]);
        let stored = scene.store(&key, &audio(70_000));
        let path = scene.path(stored.object);
        let mut bad = fs::read(&path).unwrap();
        let at = at.index(bad.len());
        bad[at] ^= 1 << bit;
        fs::write(&path, &bad).unwrap();
        let read = scene.reader(&stored, &key, 70_000).map(|mut reader| reader.read_to_end(&mut Vec::new()));
        prop_assert!(!matches!(read, Ok(Ok(_))));
    }
}
