//! Files in the folder of recordings that no row names.

use super::*;
use crate::support::wrote;
use dutyline::store::blobs;
use dutyline::work::housekeeping;

on_both_scenes! {
    async fn a_file_no_row_names_is_counted_and_kept_for_thirty_days(scene: Scene) {
        scene.record(None).await;
        scene.line.idle().await;
        let folder = scene.line.recordings();
        let [committed] = names(&folder).try_into().unwrap();
        let stray = format!("{}.age", dutyline::base::clock::random_id());
        std::fs::copy(folder.join(&committed), folder.join(&stray)).unwrap();

        let service = scene.line.service();
        let now = service.clock.system_now();
        let later = now + TimeDelta::hours(2);
        let found = housekeeping::unnamed(&service.db.console, &service.blobs, later).await.unwrap();
        assert_eq!(found.iter().map(|file| &file.name).collect::<Vec<_>>(), [&stray]);
        let metric = async || {
            let text = scene.line.metrics().await;
            let line = text.lines().find(|line| line.starts_with("dutyline_recordings_unnamed "));
            line.unwrap().rsplit(' ').next().unwrap().to_owned()
        };
        // A row that names a file of the last hour may still be committed.
        housekeeping::count_unnamed(service, now).await.unwrap();
        assert_eq!(metric().await, "0");
        housekeeping::count_unnamed(service, later).await.unwrap();
        assert_eq!(metric().await, "1");

        for arguments in [&["recordings", "unnamed"][..], &["recordings", "unnamed", "--remove"]] {
            let output = scene.line.cli(arguments).await;
            assert!(output.status.success(), "{}", wrote(&output));
            assert!(!wrote(&output).contains("removed"), "{}", wrote(&output));
        }
        assert_eq!(names(&folder).len(), 2, "it is younger than 30 days");
        let mut tx = service.db.jobs.begin_read().await.unwrap();
        let named = blobs::objects(&mut tx).await.unwrap();
        drop(tx);
        let old = now + TimeDelta::days(31);
        let removed = service.blobs.remove_unnamed(&named, old).unwrap();
        assert_eq!(removed[0].name, stray);
        assert_eq!(names(&folder), [committed]);
        scene.all_is_well().await;
    }
}
