//! What of S3 a client of it uses: objects, uploads in parts, lists, and deleting many at once. It can be made to fail.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

const MODIFIED: &str = "Thu, 01 Jan 2026 06:00:00 GMT";

#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, Bytes>>,
    uploads: Mutex<HashMap<String, BTreeMap<u32, Bytes>>>,
    /// Answers nothing but errors.
    is_down: AtomicBool,
}

/// One bucket, `media`, served for as long as this lives.
pub(crate) struct S3Server {
    address: SocketAddr,
    bucket: Arc<Bucket>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl S3Server {
    /// On a thread of its own: a test that waits for a command serves nobody.
    pub(crate) fn start() -> S3Server {
        let bucket = Arc::new(Bucket::default());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&bucket));
        let routes = routes.layer(axum::extract::DefaultBodyLimit::disable());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, routes) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        S3Server { address, bucket, stop: Some(stop) }
    }

    /// What a client has to know of it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PITON_ARTIFACT_STORE", "s3://media/films".to_owned()),
            ("AWS_ENDPOINT", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEOFPITON".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "a-secret-that-is-in-no-log".to_owned()),
        ]
    }

    /// Keys of all objects, but for what health checks leave.
    pub(crate) fn keys(&self) -> Vec<String> {
        let objects = self.bucket.objects.lock().unwrap();
        objects.keys().filter(|key| !key.contains("/.probes/")).cloned().collect()
    }

    pub(crate) fn object(&self, key: &str) -> Option<Bytes> {
        self.bucket.objects.lock().unwrap().get(key).cloned()
    }

    pub(crate) fn put(&self, key: &str, bytes: &'static [u8]) {
        self.bucket.objects.lock().unwrap().insert(key.to_owned(), Bytes::from_static(bytes));
    }

    /// Uploads that were begun, and neither completed nor given up.
    pub(crate) fn half_done(&self) -> usize {
        self.bucket.uploads.lock().unwrap().len()
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.bucket.is_down.store(is_down, Ordering::Relaxed);
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()).ok());
    }
}

async fn answer(
    State(bucket): State<Arc<Bucket>>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    if bucket.is_down.load(Ordering::Relaxed) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let path = percent_encoding::percent_decode_str(uri.path()).decode_utf8().unwrap();
    let key = path.strip_prefix("/media").unwrap().trim_start_matches('/').to_owned();
    let asked = |word: &str| query.get(word).map(String::as_str);
    let part = asked("partNumber").map(|number| number.parse::<u32>().unwrap());
    match (method.as_str(), asked("uploadId"), part) {
        ("PUT", Some(upload), Some(part)) => {
            bucket.uploads.lock().unwrap().get_mut(upload).unwrap().insert(part, body);
            ([(header::ETAG, format!("\"{part}\""))], "").into_response()
        }
        ("POST", Some(upload), _) => {
            let parts = bucket.uploads.lock().unwrap().remove(upload).unwrap();
            bucket.objects.lock().unwrap().insert(key, parts.into_values().flatten().collect());
            xml("<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>")
        }
        ("DELETE", Some(upload), _) => {
            bucket.uploads.lock().unwrap().remove(upload);
            StatusCode::NO_CONTENT.into_response()
        }
        ("POST", None, _) if query.contains_key("uploads") => {
            let mut uploads = bucket.uploads.lock().unwrap();
            let upload = format!("{key}{}", uploads.len());
            uploads.insert(upload.clone(), BTreeMap::new());
            xml(&format!(
                "<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            ))
        }
        ("POST", None, _) if query.contains_key("delete") => {
            let asked = String::from_utf8(body.to_vec()).unwrap();
            let keys = asked.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap());
            let mut told = String::new();
            for key in keys {
                bucket.objects.lock().unwrap().remove(key);
                write!(told, "<Deleted><Key>{key}</Key></Deleted>").unwrap();
            }
            xml(&format!("<DeleteResult>{told}</DeleteResult>"))
        }
        ("GET", None, _) if query.contains_key("list-type") => xml(&list(&bucket, asked("prefix").unwrap_or_default())),
        ("PUT", None, _) => {
            bucket.objects.lock().unwrap().insert(key, body);
            ([(header::ETAG, "\"put\"")], "").into_response()
        }
        ("DELETE", None, _) => {
            bucket.objects.lock().unwrap().remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        ("GET" | "HEAD", None, _) => match bucket.objects.lock().unwrap().get(&key) {
            Some(object) => {
                ([(header::ETAG, "\"put\""), (header::LAST_MODIFIED, MODIFIED)], object.clone()).into_response()
            }
            None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
        },
        other => panic!("{other:?} of {uri}"),
    }
}

fn list(bucket: &Bucket, prefix: &str) -> String {
    let mut told = String::new();
    let objects = bucket.objects.lock().unwrap();
    for (key, object) in objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
        let size = object.len();
        write!(
            told,
            "<Contents><Key>{key}</Key><LastModified>2026-01-01T06:00:00.000Z</LastModified><ETag>\"put\"</ETag>\
             <Size>{size}</Size></Contents>"
        )
        .unwrap();
    }
    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{told}</ListBucketResult>")
}

fn xml(text: &str) -> Response {
    ([(header::CONTENT_TYPE, "application/xml")], text.to_owned()).into_response()
}
