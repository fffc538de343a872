//! SubRip, the plainest of caption formats: a number, two times, a line.

use crate::caption::Caption;

pub(crate) fn srt<'a>(captions: impl Iterator<Item = &'a Caption>) -> String {
    let mut out = String::new();
    for (number, caption) in (1..).zip(captions) {
        // An arrow inside the text would read as a time line.
        let text = caption.text.replace("-->", "→");
        let (from, to) = (stamp(caption.film_start_ms), stamp(caption.film_end_ms));
        out.push_str(&format!("{number}\n{from} --> {to}\n{text}\n\n"));
    }
    out
}

fn stamp(ms: u64) -> String {
    let (seconds, rest) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02},{rest:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::srt;
    use crate::caption::captions;
    use crate::scene::sample;

    #[test]
    fn captions_are_numbered_through_the_film_in_the_format_players_read() {
        let scenes = sample(&["One --> two.", "Three."]);
        let captions: Vec<_> = scenes.iter().flat_map(captions).collect();
        assert_eq!(
            srt(captions.iter()),
            "1\n00:00:00,000 --> 00:00:03,000\nOne → two.\n\n2\n00:00:03,000 --> 00:00:06,000\nThree.\n\n"
        );
    }
}
