use super::*;
use crate::clock::random_id;
use crate::vault::stock;
use proptest::prelude::*;
use std::collections::HashSet;
use tempfile::TempDir;

const CHUNK: usize = 64 * 1024;

/// 2024-04-07 09:41:07.123 in China.
fn some_time() -> DateTime<Utc> {
    "2024-04-07T01:41:07.123Z".parse().unwrap()
}

fn folder() -> (TempDir, Recordings) {
    let temp = tempfile::tempdir().unwrap();
    let recordings = Recordings::make(temp.path().join("data/recordings"), Uuid::nil()).unwrap();
    (temp, recordings)
}

/// Audio of which every 8 bytes say where they are.
fn audio(length: usize) -> Vec<u8> {
    (0..length.div_ceil(8) as u64)
        .flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes())
        .take(length)
        .collect()
}

fn store(recordings: &Recordings, key: &Identity, audio: &[u8]) -> Stored {
    let mut writer = recordings.writer(&key.recipient()).unwrap();
    for piece in audio.chunks(8000) {
        writer.write(piece).unwrap();
    }
    assert_eq!(writer.length(), audio.len() as u64);
    writer.finish(some_time()).unwrap().keep()
}

fn files(recordings: &Recordings) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(&recordings.folder)
        .unwrap()
        .map(|item| item.unwrap().path())
        .filter(|path| !path.ends_with(MARKER))
        .collect();
    all.sort();
    all
}

#[test]
fn what_is_stored_is_what_it_says_and_private_and_on_the_hour() {
    let (_temp, recordings) = folder();
    let key = Identity::generate();
    assert!(!recordings.exists(random_id()).unwrap());
    let audio = audio(100_001);
    let stored = store(&recordings, &key, &audio);
    let id = stored.file;
    assert!(recordings.exists(id).unwrap());
    let file = fs::read(recordings.path(id)).unwrap();
    let sha = |bytes: &[u8]| -> [u8; 32] { Sha256::digest(bytes).into() };
    assert_eq!(
        stored,
        Stored {
            file: id,
            padded: padme(100_001),
            length: 100_001,
            plain_sha256: sha(&audio),
            sealed_sha256: sha(&file),
            sealed_bytes: file.len() as u64,
        }
    );
    assert_eq!(recordings.sealed_sha256(id).unwrap(), stored.sealed_sha256);
    let plain = seal::open(&file, &key).unwrap();
    assert_eq!(plain.len() as u64, stored.padded);
    assert_eq!(plain[..audio.len()], audio);
    assert!(plain[audio.len()..].iter().all(|byte| *byte == 0));

    let meta = fs::metadata(recordings.path(id)).unwrap();
    let hour: DateTime<Utc> = "2024-04-07T01:00:00Z".parse().unwrap();
    assert_eq!(meta.modified().unwrap(), SystemTime::from(hour));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        let folder = fs::metadata(&recordings.folder).unwrap();
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
    Recordings::make(temp.path(), Uuid::nil()).unwrap();
    let now = fs::metadata(temp.path()).unwrap().permissions().mode();
    assert_eq!(now & 0o777, 0o700);
}

#[test]
fn plain_audio_never_touches_the_disk() {
    let (_temp, recordings) = folder();
    let canary = b"CANARY-CANARY-CANARY";
    let mut writer = recordings
        .writer(&Identity::generate().recipient())
        .unwrap();
    // More than all buffers hold, so that some of it is on disk before the end.
    let audio = canary.repeat(50_000);
    writer.write(&audio).unwrap();
    let clean = || {
        let all = files(&recordings);
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
    let (_temp, recordings) = folder();
    let mut writer = recordings
        .writer(&Identity::generate().recipient())
        .unwrap();
    writer.write(&audio(300_000)).unwrap();
    let all = files(&recordings);
    assert!(all.len() == 1 && all[0].extension().unwrap() == UNFINISHED);
    drop(writer);
    assert!(files(&recordings).is_empty());
}

#[test]
fn a_finished_file_that_no_row_will_name_leaves_nothing() {
    let (_temp, recordings) = folder();
    let mut writer = recordings
        .writer(&Identity::generate().recipient())
        .unwrap();
    writer.write(b"finished").unwrap();
    let finished = writer.finish(some_time()).unwrap();
    assert!(recordings.exists(finished.stored().file).unwrap());
    drop(finished);
    assert!(files(&recordings).is_empty());
}

#[test]
fn sweeping_takes_what_a_crash_of_this_machine_left_and_nothing_else() {
    let (_temp, recordings) = folder();
    let key = Identity::generate();
    store(&recordings, &key, b"finished");
    let mut busy = recordings.writer(&key.recipient()).unwrap();
    busy.write(b"still at it").unwrap();
    let left_by = |node: &str| {
        let name = format!("{}.{node}.{UNFINISHED}", random_id());
        let left = recordings.folder.join(name);
        fs::write(&left, b"left over").unwrap();
        left
    };
    let own = left_by(&recordings.node);
    let others = left_by("another0");
    assert_eq!(recordings.sweep().unwrap(), 1);
    assert!(!own.exists() && others.exists());
    assert_eq!(recordings.sweep().unwrap(), 0);
    let stored = busy.finish(some_time()).unwrap().keep();
    assert!(recordings.exists(stored.file).unwrap());
    assert_eq!(files(&recordings).len(), 3);
    assert_eq!(node(), recordings.node, "the same in each process");
}

#[test]
fn two_writers_never_write_the_same_file() {
    let (_temp, recordings) = folder();
    let key = Identity::generate();
    let mut a = recordings.writer(&key.recipient()).unwrap();
    let mut b = recordings.writer(&key.recipient()).unwrap();
    a.write(b"first").unwrap();
    b.write(b"other").unwrap();
    let b = b.finish(some_time()).unwrap().keep();
    let a = a.finish(some_time()).unwrap().keep();
    let read = |stored: Stored| {
        let mut reader = recordings.reader(stored.file, &key, 5).unwrap();
        reader.read_range(0, 5).unwrap()
    };
    assert_eq!(read(a), b"first");
    assert_eq!(read(b), b"other");
    assert_eq!(files(&recordings).len(), 2);
}

#[test]
fn files_no_row_names_are_found_and_kept_for_thirty_days() {
    let (_temp, recordings) = folder();
    let key = Identity::generate();
    let [named, unnamed] = [b"named..", b"unnamed"].map(|said| store(&recordings, &key, said));
    let mut busy = recordings.writer(&key.recipient()).unwrap();
    busy.write(b"still at it").unwrap();
    let left = format!("{}.another0.{UNFINISHED}", random_id());
    fs::write(recordings.folder.join(&left), b"left over").unwrap();
    fs::write(recordings.folder.join("README"), b"not ours").unwrap();
    let rows = HashSet::from([named.file]);
    let names = |found: Vec<Unnamed>| {
        let mut names: Vec<String> = found.into_iter().map(|file| file.name).collect();
        names.sort();
        names
    };
    let mut both = vec![format!("{}.age", unnamed.file), left];
    both.sort();
    // Their times say 2024; they were finished just now, as the inode says.
    let now = clock::Clock::system().system_now();
    let soon = now + TimeDelta::minutes(1);
    assert_eq!(names(recordings.unnamed(&rows, soon).unwrap()), both);
    let earlier = now - TimeDelta::minutes(1);
    assert_eq!(recordings.unnamed(&rows, earlier).unwrap(), []);

    let just_before = now + TimeDelta::days(30) - TimeDelta::minutes(1);
    assert_eq!(recordings.remove_unnamed(&rows, just_before).unwrap(), []);
    assert_eq!(files(&recordings).len(), 5);
    let after = now + TimeDelta::days(30) + TimeDelta::minutes(1);
    assert_eq!(
        names(recordings.remove_unnamed(&rows, after).unwrap()),
        both
    );
    assert_eq!(files(&recordings).len(), 3);
    assert!(recordings.exists(named.file).unwrap());
    busy.finish(some_time()).unwrap().keep();
}

#[test]
fn stock_age_opens_a_copy_and_the_length_cuts_the_padding() {
    let (temp, recordings) = folder();
    let key = Identity::generate();
    let audio = audio(200_003);
    let id = store(&recordings, &key, &audio).file;
    let dest = temp.path().join("copy.age");
    recordings.copy_sealed(id, &dest).unwrap();
    let secret = key.to_secret();
    let plain = stock::age_opens(&dest, secret.show().as_bytes());
    assert_eq!(plain.len() as u64, padme(200_003));
    assert_eq!(plain[..200_003], audio);
    let times = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(times(&dest), times(&recordings.path(id)));
    // Never over something that is there, least of all the recording itself.
    for there in [dest, recordings.path(id)] {
        let error = recordings.copy_sealed(id, &there).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(there.exists());
    }
}

#[test]
fn lengths_at_the_edges_read_back() {
    let (_temp, recordings) = folder();
    let key = Identity::generate();
    for length in [0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK] {
        let audio = audio(length);
        let stored = store(&recordings, &key, &audio);
        let mut reader = recordings.reader(stored.file, &key, stored.length).unwrap();
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
    let (_temp, recordings) = folder();
    let key = Identity::generate();
    let stored = store(&recordings, &key, &audio(1001));
    let id = stored.file;
    assert_eq!(
        recordings
            .reader(id, &Identity::generate(), 1001)
            .unwrap_err(),
        OpenError::WrongKey
    );
    assert_eq!(
        recordings.reader(id, &key, stored.padded + 1).unwrap_err(),
        OpenError::Damaged
    );
}

#[test]
fn a_cut_is_seen_at_once_and_a_change_where_it_is() {
    let (_temp, recordings) = folder();
    let key = Identity::generate();
    let audio = audio(3 * CHUNK);
    let id = store(&recordings, &key, &audio).file;
    let path = recordings.path(id);
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
        // Even for a range that is still there.
        assert!(recordings.reader(id, &key, 100).is_err(), "cut at {kept}");
    }
    let mut changed = whole.clone();
    changed[header + CHUNK + 100] ^= 1;
    fs::write(&path, &changed).unwrap();
    let length = audio.len() as u64;
    let mut reader = recordings.reader(id, &key, length).unwrap();
    let first = reader.read_range(0, CHUNK as u64).unwrap();
    assert!(first == audio[..CHUNK]);
    assert!(reader.read_range(CHUNK as u64, CHUNK as u64 + 1).is_err());
    let mut reader = recordings.reader(id, &key, length).unwrap();
    assert!(reader.read_to_end(&mut Vec::new()).is_err());
    // Two pieces swapped.
    let mut swapped = whole[..header].to_vec();
    for piece in [1, 0, 2] {
        swapped.extend_from_slice(&whole[header + piece * (CHUNK + 16)..][..CHUNK + 16]);
    }
    fs::write(&path, &swapped).unwrap();
    let mut reader = recordings.reader(id, &key, length).unwrap();
    assert!(reader.read_range(0, 10).is_err());
}

#[test]
fn writers_and_readers_can_go_to_another_thread() {
    fn sendable<T: Send + 'static>() {}
    sendable::<Writer>();
    sendable::<Reader>();
    sendable::<Recordings>();
}

#[test]
fn padme_is_the_papers() {
    // Figures from the reference implementation that goes with the paper.
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
    // A whole five minutes of telephone audio can end on few lengths.
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
        let (_temp, recordings) = folder();
        let key = Identity::from_seed([1; 32]);
        let audio = audio(length);
        let id = store(&recordings, &key, &audio).file;
        // One reader for all ranges: where it was before must not matter.
        let mut reader = recordings.reader(id, &key, length as u64).unwrap();
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
        let (_temp, recordings) = folder();
        let key = Identity::from_seed([1; 32]);
        let id = store(&recordings, &key, &audio(70_000)).file;
        let path = recordings.path(id);
        let mut bad = fs::read(&path).unwrap();
        let at = at.index(bad.len());
        bad[at] ^= 1 << bit;
        fs::write(&path, &bad).unwrap();
        let read = recordings.reader(id, &key, 70_000).map(|mut reader| reader.read_to_end(&mut Vec::new()));
        prop_assert!(!matches!(read, Ok(Ok(_))));
    }
}
