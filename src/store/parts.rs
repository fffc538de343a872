//! Parts of a statement that few calls need: even a part that finds nothing to do has to be started, so other calls leave it
//! out.

/// The statement without what stands between the lines `-- part {` and `-- } part`.
pub(super) fn without(part: &str, statement: &str) -> String {
    let (begin, end) = (format!("-- {part} {{"), format!("-- }} {part}"));
    let (mut text, mut left_out) = (String::with_capacity(statement.len()), false);
    for line in statement.lines() {
        left_out |= line == begin;
        if !left_out {
            text.push_str(line);
            text.push('\n');
        }
        left_out &= line != end;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_left_out_wherever_it_stands_and_nothing_else_is() {
        let statement =
            "select 1\n-- few {\n, 2\n-- } few\nfrom a\n-- many {\nwhere b\n-- } many\n-- few {\nlimit 1\n-- } few\n";
        assert_eq!(without("few", statement), "select 1\nfrom a\n-- many {\nwhere b\n-- } many\n");
    }
}
