//! A connection string of keywords and values, as libpq reads it: `host=db port=5432 dbname=runs password='two words'`.

use super::error::AddressError;

/// Keywords and their values, in the order in which they stand.
pub(super) type Pairs = Vec<(String, String)>;

/// Nothing of the string is in an error: it may hold a password.
pub(super) fn pairs(text: &str) -> Result<Pairs, AddressError> {
    let mut rest = text.trim_start();
    let mut pairs = Pairs::new();
    while !rest.is_empty() {
        let Some((keyword, after)) = rest.split_once('=') else { return Err(wrong("a keyword has no value")) };
        let keyword = keyword.trim_end();
        if keyword.is_empty() || keyword.contains(char::is_whitespace) {
            return Err(wrong("a keyword has no value"));
        }
        let (value, after) = value(after.trim_start())?;
        pairs.push((keyword.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// The value that the text begins with, and what stands behind it.
fn value(text: &str) -> Result<(String, &str), AddressError> {
    let (quoted, text) = text.strip_prefix('\'').map_or((false, text), |inside| (true, inside));
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            _ if !quoted && character.is_whitespace() => return Ok((value, &text[at..])),
            _ => value.push(character),
        }
    }
    if quoted { Err(wrong("a quote is not closed")) } else { Ok((value, "")) }
}

fn wrong(what: &str) -> AddressError {
    AddressError::new(format!(
        "DATABASE_URL is not understood: {what}; write host=db port=5432 dbname=name user=user, with a value that has spaces \
         in single quotes, or postgres://user:password@host:5432/name"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        pairs(text).ok()
    }

    fn owned(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(keyword, value)| ((*keyword).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn keywords_and_values_are_read_as_libpq_reads_them() {
        assert_eq!(read("host=db port=5432"), owned(&[("host", "db"), ("port", "5432")]));
        assert_eq!(read("  host = db\n dbname = runs "), owned(&[("host", "db"), ("dbname", "runs")]));
        assert_eq!(read(r"password='it\'s \\ two words'"), owned(&[("password", r"it's \ two words")]));
        assert_eq!(read(r"password=a\ b user=''"), owned(&[("password", "a b"), ("user", "")]));
        assert_eq!(read("options='-c x=1'dbname=runs"), owned(&[("options", "-c x=1"), ("dbname", "runs")]));
        for wrong in ["host", "host db=1", "=db", "password='open", "host=db port"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
