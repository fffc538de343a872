//! A worker that can be killed: all of it runs in one thread and a runtime of its own, of which nothing goes on afterwards.

use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::error::TestError;
use crate::artifacts::Artifacts;
use crate::client::Piton;
use crate::worker::Shutdown;

/// As good as a process, for what is in the database: when it is killed, no more of it is sent, and its connections end.
#[derive(Debug)]
pub(super) struct Process {
    /// Gone, the process is killed.
    lives: Option<oneshot::Sender<()>>,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
    ended: oneshot::Receiver<Result<(), TestError>>,
}

impl Process {
    /// `boot` is called in its own runtime, as a program's `main` would.
    pub(super) fn start<F, Booting>(boot: F, artifacts: Artifacts) -> Process
    where
        F: FnOnce() -> Booting + Send + 'static,
        Booting: Future<Output = Result<Piton, TestError>>,
    {
        let (lives, killed) = oneshot::channel::<()>();
        let (tell, ended) = oneshot::channel();
        let shutdown = Shutdown::new();
        let asked = shutdown.clone();
        let thread = std::thread::spawn(move || {
            // One thread: when it has left the runtime, no task of it is polled any more.
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return tell.send(Err(TestError::Server(error.to_string()))).unwrap_or_default(),
            };
            let work = async { Ok(boot().await?.work_for_a_test(artifacts, asked).await?) };
            let worked = runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = killed => None,
                    worked = work => Some(worked),
                }
            });
            // Threads that its handlers have started are not waited for.
            runtime.shutdown_background();
            if let Some(worked) = worked {
                tell.send(worked).unwrap_or_default();
            }
        });
        Process { lives: Some(lives), shutdown, thread: Some(thread), ended }
    }

    /// Returns when nothing of it runs any more.
    pub(super) async fn kill(mut self) {
        self.lives = None;
        let Some(thread) = self.thread.take() else { return };
        // It ends with its current poll.
        tokio::task::spawn_blocking(|| thread.join()).await.ok();
    }

    /// Drains, as at SIGTERM.
    pub(super) async fn stop(mut self) -> Result<(), TestError> {
        self.shutdown.ask();
        self.ended().await
    }

    /// Waits until it has ended by itself, which it does with an error only, or because it was told to stop.
    pub(super) async fn ended(&mut self) -> Result<(), TestError> {
        match (&mut self.ended).await {
            Ok(ended) => ended,
            Err(_) => Err(TestError::Server("the thread of the test's worker has panicked".to_owned())),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.lives = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
