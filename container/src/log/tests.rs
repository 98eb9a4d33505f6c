//! What is written is read, across rotations and full disks.

use super::*;

const SECOND: i64 = 1_000_000_000;

fn all(reader: &mut LogReader) -> String {
    let mut text = String::new();
    while let Some(line) = reader.next().unwrap() {
        text += &String::from_utf8_lossy(&line.text);
    }
    text
}

#[test]
fn bytes_come_back_as_they_were_printed() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = LogWriter::new(dir.path(), LogOptions::default());
    log.write(Stream::Stdout, b"one\ntwo", SECOND);
    log.write(Stream::Stderr, b"oh\n", 2 * SECOND);
    log.write(Stream::Stdout, b" halves\n\n\xff\r\n", 3 * SECOND);
    let mut reader = LogReader::open(dir.path(), None).unwrap();
    let mut lines = Vec::new();
    while let Some(line) = reader.next().unwrap() {
        lines.push((line.time[17..19].to_owned(), line.stream, line.text));
    }
    let expected: [(&str, Stream, &[u8]); 6] = [
        ("01", Stream::Stdout, b"one\n"),
        ("01", Stream::Stdout, b"two"),
        ("02", Stream::Stderr, b"oh\n"),
        ("03", Stream::Stdout, b" halves\n"),
        ("03", Stream::Stdout, b"\n"),
        ("03", Stream::Stdout, b"\xff\r\n"),
    ];
    assert_eq!(
        lines,
        expected.map(|(time, stream, text)| (time.to_owned(), stream, text.to_vec()))
    );
}

#[test]
fn the_last_texts() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = LogWriter::new(dir.path(), LogOptions::default());
    log.write(Stream::Stdout, b"1\n2\n3", 0);
    log.write(Stream::Stdout, b"a\n4\nrest", 0);
    for (tail, expected) in [
        (0, ""),
        (1, "rest"),
        (2, "4\nrest"),
        (3, "3a\n4\nrest"),
        (9, "1\n2\n3a\n4\nrest"),
    ] {
        let mut reader = LogReader::open(dir.path(), Some(tail)).unwrap();
        assert_eq!(all(&mut reader), expected, "{tail}");
    }
    // A text of the other stream in between changes nothing.
    log.write(Stream::Stderr, b"oh\n", 0);
    log.write(Stream::Stdout, b" end\n", 0);
    assert_eq!(
        all(&mut LogReader::open(dir.path(), Some(2)).unwrap()),
        "restoh\n end\n"
    );
}

#[test]
fn a_reader_follows_across_rotations() {
    let dir = tempfile::tempdir().unwrap();
    let options = LogOptions { files: 3, bytes: 200 };
    let mut log = LogWriter::new(dir.path(), options);
    let mut reader = LogReader::open(dir.path(), None).unwrap();
    let mut expected = String::new();
    for round in 0..40 {
        let text = format!("line {round}\n");
        log.write(Stream::Stdout, text.as_bytes(), 0);
        expected += &text;
        if round % 3 == 0 {
            assert_eq!(all(&mut reader), expected, "{round}");
            expected.clear();
        }
    }
    let files = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, 3);
    // Who begins late has what is left.
    let left = all(&mut LogReader::open(dir.path(), None).unwrap());
    assert!(
        left.ends_with("line 39\n") && !left.contains("line 1\n"),
        "{left}"
    );
}

#[test]
fn nothing_is_kept_where_nothing_shall_be() {
    let dir = tempfile::tempdir().unwrap();
    LogWriter::new(dir.path(), LogOptions::NONE).write(Stream::Stdout, b"x\n", 0);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(LogReader::open(dir.path(), None).unwrap().next().unwrap(), None);
}
