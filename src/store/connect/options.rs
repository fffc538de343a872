//! The keyword `options`: session settings, as a server takes them on its command line.

use super::error::AddressError;
use super::settings::SessionSettings;

/// `-c name=value`, `-cname=value` and `--name=value`; a space in a value has a backslash before it.
pub(super) fn settings(said: &SessionSettings) -> Result<Vec<(String, String)>, AddressError> {
    let wrong = || said.wrong("options", "write -c name=value for each setting of the session");
    let mut found = Vec::new();
    let mut words = words(said.text("options").unwrap_or_default()).into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next(),
            Some(setting) => Some(setting.to_owned()),
            None => None,
        };
        let setting = setting.ok_or_else(wrong)?;
        let (name, value) = setting.split_once('=').ok_or_else(wrong)?;
        found.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(found)
}

/// Backslashes stay: the server reads them.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut escaped) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        if c.is_ascii_whitespace() && !escaped {
            words.push(std::mem::take(&mut word));
        } else {
            word.push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_setting_is_read() {
        let url = "postgres://h?options=-c%20a=1%20-cb=2%20--c-d=x\\%20y";
        let said = SessionSettings::gather(url, |_| None).expect("well-formed");
        let found = settings(&said).expect("well-formed");
        let found: Vec<String> = found.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found, ["a=1", "b=2", "c_d=x\\ y"]);
    }
}
