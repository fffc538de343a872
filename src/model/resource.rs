//! What attempts need of the machine that their worker runs on. Where it is not there, that is the worker's trouble: the
//! attempt goes back, and it is no failure of the job.

use std::io;

use rustix::io::Errno;

use super::state::states;

states! {
    /// What may be lacking.
    #[derive(PartialOrd, Ord)]
    pub(crate) enum Resource {
        /// This process has as many as it may have.
        Descriptors = "file descriptors",
        /// The whole system has as many as it may have.
        SystemDescriptors = "file descriptors of the system",
        /// No process can be started.
        Processes = "processes",
        /// The folder in which programs get folders of their own.
        TemporaryFolder = "the temporary folder",
        ArtifactStore = "the artifact store",
    }
}

impl Resource {
    /// What the worker's operator can do about it.
    pub(crate) fn cure(self) -> &'static str {
        match self {
            Resource::Descriptors => "raise the limit (ulimit -n, LimitNOFILE=, --ulimit nofile=), or give it fewer --slots",
            Resource::SystemDescriptors => "see who holds so many on this machine, or raise fs.file-max",
            Resource::Processes => "raise the limit (ulimit -u, TasksMax=, --pids-limit), or give it fewer --slots",
            Resource::TemporaryFolder => "let TMPDIR name a folder that it can write to",
            Resource::ArtifactStore => "let PITON_ARTIFACT_STORE (or --artifacts) name a store that it can write to",
        }
    }
}

/// Which kind of descriptors an error says that there is none left of.
pub(crate) fn out_of_descriptors(error: &io::Error) -> Option<Resource> {
    match Errno::from_io_error(error)? {
        Errno::MFILE => Some(Resource::Descriptors),
        Errno::NFILE => Some(Resource::SystemDescriptors),
        _ => None,
    }
}

/// What a process cannot be started for. EAGAIN is their number, and has other meanings where something else was asked for.
pub(crate) fn starts_no_process(error: &io::Error) -> Option<Resource> {
    match Errno::from_io_error(error)? {
        Errno::AGAIN | Errno::NOMEM => Some(Resource::Processes),
        _ => out_of_descriptors(error),
    }
}
