//! Commands that this program may have been built without.

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::args::Arguments;
use crate::model::feature;

/// Each with its feature, and whether it is here.
const COMMANDS: [(&str, &str, bool); 4] = [
    ("api", "api", cfg!(feature = "api")),
    ("bench", "lab", cfg!(feature = "lab")),
    ("chaos", "lab", cfg!(feature = "lab")),
    ("top", "top", cfg!(feature = "top")),
];

/// What is wrong with asking for it; `None` where it was not left out.
pub(super) fn left_out(command: &str) -> Option<clap::Error> {
    let (_, feature, _) = COMMANDS.iter().find(|(name, _, is_here)| *name == command && !is_here)?;
    let said = feature::left_out(&format!("`{command}`"), feature);
    Some(Arguments::command().error(ErrorKind::InvalidSubcommand, said))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::usage::shortened;

    #[test]
    fn a_command_that_was_left_out_is_refused_with_its_feature() {
        for (command, feature, is_here) in COMMANDS {
            let said = Arguments::try_parse_from(["piton", command, "--help"]).expect_err("help or an error");
            let said = shortened(said).render().to_string();
            assert_eq!(said.contains(&format!("needs Piton's feature `{feature}`")), !is_here, "{said}");
        }
        let said = Arguments::try_parse_from(["piton", "tpo"]).expect_err("an error");
        assert!(!shortened(said).render().to_string().contains("feature"));
    }
}
