//! Which lines' report keys this node is sealing to the line's next key.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use uuid::Uuid;

type Tasks = Mutex<BTreeSet<(String, Uuid)>>;

/// The running tasks of this node, by line and by the member with whose keys they work.
pub struct Resealing {
    tasks: Arc<Tasks>,
    /// The number of running tasks.
    pub count: watch::Sender<usize>,
}

impl Default for Resealing {
    fn default() -> Self {
        Self {
            tasks: Arc::default(),
            count: watch::Sender::new(0),
        }
    }
}

/// Counts a task as running while this value exists.
pub struct Running {
    tasks: Arc<Tasks>,
    count: watch::Sender<usize>,
    task: (String, Uuid),
}

impl Resealing {
    /// Counts a task as running; `None` if the same one runs already.
    pub fn begin(&self, line: &str, member: Uuid) -> Option<Running> {
        let task = (line.to_owned(), member);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if !tasks.insert(task.clone()) {
            return None;
        }
        self.count.send_modify(|count| *count += 1);
        Some(Running {
            tasks: Arc::clone(&self.tasks),
            count: self.count.clone(),
            task,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.remove(&self.task);
        self.count.send_modify(|count| *count -= 1);
    }
}
