//! Callers who leave messages while processes of the service are killed and started again.

use crate::support::standin::StandIn;
use crate::support::webhooks::{Answered, Story, Webhook};
use crate::support::{DEADLINE, pause, wav};
use bytes::Bytes;
use dutyline::simulator::spoken;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

/// Callers of a service with one or several processes.
pub struct Callers {
    pub client: reqwest::Client,
    pub twilio: StandIn,
    /// The addresses of the processes.
    pub urls: watch::Receiver<Vec<String>>,
    /// The log of all of them.
    pub log: PathBuf,
    /// Number of the webhook, which says to which process it is sent first.
    pub turn: AtomicUsize,
}

impl Callers {
    /// Posts a webhook until a process answers it, as a provider does that has several addresses and tries again. An
    /// answer that was given without the database, on a machine too busy for it, does not count.
    async fn send(&self, webhook: &Webhook) -> Answered {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let sending = async {
            loop {
                let urls = self.urls.borrow().clone();
                for n in 0..urls.len() {
                    let url = &urls[(turn + n) % urls.len()];
                    let logged = fs::metadata(&self.log).map_or(0, |log| log.len());
                    if let Ok(answered) = webhook.post(&self.client, url).await
                        && matches!(answered.status, 200 | 204)
                        && !self.logged_since(logged).contains("webhook timed out")
                    {
                        return answered;
                    }
                }
                pause().await;
            }
        };
        let sent = tokio::time::timeout(DEADLINE, sending).await;
        sent.unwrap_or_else(|_| panic!("no answer to {webhook:?}"))
    }

    /// Returns what was logged after this place of the file.
    fn logged_since(&self, place: u64) -> String {
        let mut log = fs::File::open(&self.log).unwrap();
        log.seek(SeekFrom::Start(place)).unwrap();
        let mut logged = Vec::new();
        log.read_to_end(&mut logged).unwrap();
        String::from_utf8_lossy(&logged).into_owned()
    }

    /// Leaves a message, up to its receipt and the end of the call.
    pub async fn leave(&self, said: &Bytes) {
        // A call has six webhooks: without this, the first of each would be sent to the same one of two processes.
        self.turn.fetch_add(1, Ordering::Relaxed);
        let story = Story::new();
        let menu = self.send(&story.incoming()).await;
        let key = story.key(menu.address("Gather", "action"), "1");
        let guidance = self.send(&key).await;
        self.twilio.record(&story, said, false);
        let recorded = story.recorded(guidance.address("Record", "action"));
        let review = self.send(&recorded).await;
        let callback = guidance.address("Record", "recordingStatusCallback");
        self.send(&story.callback(callback)).await;
        let send = story.key(review.address("Gather", "action"), "1");
        let end = self.send(&send).await;
        assert!(spoken::receipt(&end.body).is_some(), "{}", end.body);
        self.send(&story.status()).await;
    }

    /// Leaves messages one after the other until told to stop, at least one. Returns what was said, numbered from
    /// `first` on.
    pub async fn leave_many(self, first: usize, stop: watch::Receiver<bool>) -> Vec<Bytes> {
        let mut all = Vec::new();
        while all.is_empty() || !*stop.borrow() {
            let said = wav(format!("message {:05}", first + all.len()).as_bytes());
            self.leave(&said).await;
            all.push(said);
        }
        all
    }
}
