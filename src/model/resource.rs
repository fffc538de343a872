//! What attempts need from their worker's machine. If it is lacking, that is the worker's trouble: the attempt goes back, and
//! the job has not failed.

use std::fmt;
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
        /// The warm program of a stage does not start: only that stage is left to others meanwhile.
        WarmProgram = "a warm program",
    }
}

impl Resource {
    /// What the worker's operator can do about it.
    pub(crate) fn cure(self) -> &'static str {
        match self {
            Resource::Descriptors => {
                "raise the limit (ulimit -n, LimitNOFILE=, --ulimit nofile=), or give it fewer --slots"
            }
            Resource::SystemDescriptors => "see who holds so many on this machine, or raise fs.file-max",
            Resource::Processes => "raise the limit (ulimit -u, TasksMax=, --pids-limit), or give it fewer --slots",
            Resource::TemporaryFolder => "let TMPDIR name a folder that it can write to",
            Resource::WarmProgram => "see in its log why the program does not start",
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

/// The kind of descriptors that a handler's own words say there is none left of: it may have made a text of the error, or
/// panicked with it.
pub(crate) fn named(message: &str) -> Option<Resource> {
    let says = |errno: Errno| {
        let number = errno.raw_os_error();
        message.contains(&format!("(os error {number})")) || message.contains(&format!("Os {{ code: {number},"))
    };
    let kinds = [(Errno::MFILE, Resource::Descriptors), (Errno::NFILE, Resource::SystemDescriptors)];
    kinds.into_iter().find(|(errno, _)| says(*errno)).map(|(_, resource)| resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_is_known_also_when_it_was_made_a_text() {
        let error = io::Error::from_raw_os_error(Errno::MFILE.raw_os_error());
        assert_eq!(out_of_descriptors(&error), Some(Resource::Descriptors));
        assert_eq!(named(&format!("the picture was not read: {error}")), Some(Resource::Descriptors));
        assert_eq!(named(&format!("the handler panicked: {error:?}")), Some(Resource::Descriptors));
        let other = io::Error::from_raw_os_error(Errno::NOENT.raw_os_error());
        assert_eq!((out_of_descriptors(&other), named(&other.to_string())), (None, None));
        let no_process = io::Error::from_raw_os_error(Errno::AGAIN.raw_os_error());
        assert_eq!(out_of_descriptors(&no_process), None, "elsewhere it means something else");
        assert_eq!(starts_no_process(&no_process), Some(Resource::Processes));
    }
}
