//! Features of this crate that a program was built without. Pure.

/// That something needs one of them, and how to get it.
pub(crate) fn left_out(what: &str, feature: &str) -> String {
    format!(
        "{what} needs Piton's feature `{feature}`, without which this program was built; add it to the features of the \
         dependency `piton` and build again"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_named_with_its_feature_and_the_cure() {
        let said = left_out("a store at s3://", "aws");
        assert!(said.starts_with("a store at s3:// needs Piton's feature `aws`,"), "{said}");
        assert!(said.ends_with("add it to the features of the dependency `piton` and build again"), "{said}");
    }
}
