//! Words that carry meaning although they contain a digit, and words that carry none.

/// Names that hold a digit and mean something.
pub(super) const NAMES: &[&str] = &[
    "utf-8", "utf8", "utf-16", "utf16", "utf8mb4", "s3", "ec2", "r2", "h264", "h265", "x264", "x265", "libx264",
    "libx265", "mp3", "mp4", "m4a", "sha1", "sha256", "sha512", "md5", "base64", "int2", "int4", "int8", "int16",
    "int32", "int64", "uint8", "uint32", "uint64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64",
    "float32", "float64", "ipv4", "ipv6", "http2", "oauth2", "oauth2.0", "x509", "x.509", "rs256", "hs256", "log4j",
    "k8s", "x86_64", "amd64", "arm64", "win32", "psycopg2", "urllib3", "boto3", "sqlite3", "python3", "asn1", "pkcs8",
    "pkcs12", "ed25519", "aes256", "bz2", "gzip2", "webp2", "web3", "l2", "jpeg2000",
];

/// Codes of failures, which begin so.
pub(super) const CODES: &[&str] =
    &["ora-", "tns-", "sqlstate", "pgrst", "err_", "aadsts", "eai_", "cs", "ts", "e0", "dpy-", "nu", "pls-", "cve-"];

/// A number behind one of these words is a code, and not an amount.
pub(super) const BEFORE_CODES: &[&str] = &[
    "status",
    "statuscode",
    "status_code",
    "code",
    "errorcode",
    "error_code",
    "errno",
    "error",
    "sqlstate",
    "http",
    "exit",
    "signal",
    "answered",
    "returncode",
    "err",
];

/// Units behind numbers, and what is left of times.
pub(super) const UNITS: &[&str] = &[
    "ms",
    "s",
    "sec",
    "secs",
    "second",
    "seconds",
    "millisecond",
    "milliseconds",
    "m",
    "min",
    "mins",
    "minute",
    "minutes",
    "h",
    "hr",
    "hour",
    "hours",
    "d",
    "day",
    "days",
    "b",
    "byte",
    "bytes",
    "kb",
    "mb",
    "gb",
    "tb",
    "kib",
    "mib",
    "gib",
    "tib",
    "utc",
    "gmt",
    "am",
    "pm",
    "z",
];

pub(super) const CALENDAR: &[&str] = &[
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "mon",
    "tue",
    "wed",
    "thu",
    "fri",
    "sat",
    "sun",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// Files that come and go with the work; programs and settings have other endings.
pub(super) const DATA: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "webp", "svg", "tif", "tiff", "bmp", "heic", "mp4", "m4a", "m4v", "mov", "mkv", "avi",
    "webm", "mp3", "wav", "flac", "ogg", "opus", "aac", "srt", "vtt", "pdf", "doc", "docx", "xls", "xlsx", "ppt",
    "pptx", "csv", "tsv", "txt", "parquet", "avro", "jsonl", "ndjson", "zip", "gz", "tar", "tgz", "bz2", "zst", "7z",
    "tmp", "part", "bin", "dat", "html", "md", "epub",
];

/// Folders below which the next name is a person's or chance's.
pub(super) const PERSONAL: &[&str] = &["tmp", "temp", "home", "users", "folders"];
