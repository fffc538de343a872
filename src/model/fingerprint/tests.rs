//! Messages of tools and services, by cause.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What services, tools and languages say: each group is one cause, and no two groups are the same.
const CAUSES: &[&[&str]] = &[
    // JSON of programs and services.
    &[r#"{"error":"card expired"}"#, r#"{"error": "card expired"}"#, "{\n  \"error\": \"card expired\"\n}"],
    &[r#"{"error":"customer has no VAT number"}"#],
    &[
        r#"{"error":"card expired","code":402,"request_id":"req_8fJk2Lm9Qa"}"#,
        r#"{"error":"card expired","code":402,"request_id":"req_1Zx81nVbTr"}"#,
    ],
    &[
        r#"{"error":{"message":"Rate limit reached for gpt-4o in organization org-a8Bz91kQpL on tokens per min (TPM): Limit 30000, Used 29012, Requested 2113. Please try again in 2.25s.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
        r#"{"error":{"message":"Rate limit reached for gpt-4o in organization org-Q2c7HtYw0Z on tokens per min (TPM): Limit 30000, Used 29990, Requested 15. Please try again in 10ms.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
    ],
    &[
        r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
    ],
    &[
        r#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
        r#"{"error":{"message":"This model's maximum context length is 128000 tokens. However, your messages resulted in 130512 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
    ],
    &[
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_011CSHoEeqs5C35K2UUqR7Fy"}"#,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_018EeWyXxfu5pfWkrYcMdjWG"}"#,
    ],
    &[
        r#"{"error":{"code":"card_declined","decline_code":"insufficient_funds","message":"Your card has insufficient funds.","request_log_url":"https://dashboard.stripe.com/logs/req_9aKd82hUw1?t=1732752000"}}"#,
        r#"{"error":{"code":"card_declined","decline_code":"insufficient_funds","message":"Your card has insufficient funds.","request_log_url":"https://dashboard.stripe.com/logs/req_Bb71jjQ0zL?t=1732759999"}}"#,
    ],
    &[
        r#"{"error":{"code":"card_declined","decline_code":"lost_card","message":"Your card was declined.","request_log_url":"https://dashboard.stripe.com/logs/req_9aKd82hUw1"}}"#,
    ],
    &[
        r#"{"error":{"code":"resource_missing","message":"No such customer: 'cus_9s6XKzkNRiz8i3'","param":"customer","type":"invalid_request_error"}}"#,
        r#"{"error":{"code":"resource_missing","message":"No such customer: 'cus_Na6dX7aXxi11N4'","param":"customer","type":"invalid_request_error"}}"#,
    ],
    &[
        r#"{"error":{"code":403,"message":"Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'translate.googleapis.com' for consumer 'project_number:1029384756'.","status":"PERMISSION_DENIED"}}"#,
        r#"{"error":{"code":403,"message":"Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'translate.googleapis.com' for consumer 'project_number:5647382910'.","status":"PERMISSION_DENIED"}}"#,
    ],
    &[r#"{"error":{"code":403,"message":"The caller does not have permission","status":"PERMISSION_DENIED"}}"#],
    // AWS.
    &[
        "An error occurred (ThrottlingException) when calling the InvokeModel operation (reached max retries: 4): Too many tokens, please wait before trying again.",
        "An error occurred (ThrottlingException) when calling the InvokeModel operation (reached max retries: 10): Too many tokens, please wait before trying again.",
    ],
    &["An error occurred (AccessDenied) when calling the GetObject operation: Access Denied"],
    &[
        "The specified key does not exist. (Service: Amazon S3; Status Code: 404; Error Code: NoSuchKey; Request ID: 4442587FB7D0A2F9; S3 Extended Request ID: vdJdIGdJjB8xQvtxtcrGNVJBGrP4ld=)",
        "The specified key does not exist. (Service: Amazon S3; Status Code: 404; Error Code: NoSuchKey; Request ID: 9Q1ZK7Y2M4N8P0RS; S3 Extended Request ID: 7aB9cD1eF3gH5iJ7kL9mN1oP3qR5sT=)",
    ],
    &[
        "The specified bucket does not exist (Service: Amazon S3; Status Code: 404; Error Code: NoSuchBucket; Request ID: 4442587FB7D0A2F9)",
        "The specified bucket does not exist (Service: Amazon S3; Status Code: 404; Error Code: NoSuchBucket; Request ID: 1112587FB7D0A2FA)",
    ],
    &[
        "User: arn:aws:sts::123456789012:assumed-role/render/i-0abc12de34 is not authorized to perform: s3:PutObject",
        "User: arn:aws:sts::210987654321:assumed-role/render/i-0fff12de99 is not authorized to perform: s3:PutObject",
    ],
    // Pages of proxies.
    &[
        "the server answered 502 Bad Gateway: <html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.18.0</center>",
        "the server answered 502 Bad Gateway: <html> <head><title>502 Bad Gateway</title></head> <body> <center><h1>502 Bad Gateway</h1></center> <hr><center>nginx/1.25.3 (Ubuntu)</center>",
    ],
    &[
        "the server answered 504 Gateway Time-out: <html><head><title>504 Gateway Time-out</title></head><body><center>nginx</center>",
    ],
    &["the server answered 503 Service Unavailable: busy"],
    &["the server answered 429 Too Many Requests"],
    &["the server answered 500 Internal Server Error"],
    // Python.
    &[
        "Traceback (most recent call last):\n  File \"/app/a.py\", line 12, in <module>\n    main()\n  File \"/app/a.py\", line 7, in main\n    d['topic']\nKeyError: 'topic'",
        "Traceback (most recent call last):\n  File \"/srv/b.py\", line 99, in <module>\n    go()\nKeyError: 'topic'\n",
    ],
    &["Traceback (most recent call last):\n  File \"/app/a.py\", line 12, in <module>\n    main()\nKeyError: 'voice'"],
    &["Traceback (most recent call last):\n  File \"a.py\", line 1\nModuleNotFoundError: No module named 'numpy'"],
    &["Traceback (most recent call last):\n  File \"a.py\", line 1\nModuleNotFoundError: No module named 'torch'"],
    &[
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        "json.decoder.JSONDecodeError: Expecting value: line 40 column 17 (char 2210)",
    ],
    &[
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB (GPU 0; 23.69 GiB total capacity; 20.10 GiB already allocated)",
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 512.00 MiB (GPU 3; 79.15 GiB total capacity; 77.00 GiB already allocated)",
    ],
    &[
        "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/tmpa8b_x1/frame-00017.png'",
        "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/tmpqqz_k9/frame-00934.png'",
    ],
    &["PermissionError: [Errno 13] Permission denied: '/data/out'"],
    &[
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.example.com', port=443): Max retries exceeded with url: /v1/jobs/8812 (Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f1c2a3b4c50>: Failed to establish a new connection: [Errno 111] Connection refused'))",
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.example.com', port=443): Max retries exceeded with url: /v1/jobs/17 (Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f99deadbe10>: Failed to establish a new connection: [Errno 111] Connection refused'))",
    ],
    // Java and .NET.
    &[
        "Exception in thread \"main\" com.example.BatchException: batch 17 failed\n\tat com.example.Main.run(Main.java:5)\nCaused by: java.net.SocketTimeoutException: Read timed out\n\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:288)\n\t... 12 more",
        "Exception in thread \"pool-3-thread-9\" com.example.BatchException: batch 4711 failed\n\tat com.example.Main.run(Main.java:8)\nCaused by: java.net.SocketTimeoutException: Read timed out\n\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:290)",
    ],
    &[
        "Exception in thread \"main\" com.example.BatchException: batch 17 failed\n\tat com.example.Main.run(Main.java:5)\nCaused by: java.lang.OutOfMemoryError: Java heap space",
    ],
    &[
        "Exception in thread \"main\" java.lang.NullPointerException: Cannot invoke \"String.length()\" because \"name\" is null\n\tat Main.main(Main.java:3)",
        "Exception in thread \"main\" java.lang.NullPointerException: Cannot invoke \"String.length()\" because \"name\" is null\n\tat Main.main(Main.java:44)",
    ],
    &[
        "Unhandled exception. System.Exception: run 5\n ---> System.IO.IOException: The process cannot access the file because it is being used by another process.\n   at Program.Main()",
    ],
    // Rust.
    &[
        "thread 'main' panicked at src/render.rs:41:17:\nindex out of bounds: the len is 3 but the index is 7\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
        "thread 'tokio-runtime-worker' panicked at src/render.rs:44:9:\nindex out of bounds: the len is 12 but the index is 12\nnote: run with `RUST_BACKTRACE=1`",
    ],
    &["thread 'main' panicked at src/main.rs:4:5:\ncalled `Option::unwrap()` on a `None` value"],
    &[
        "Error: cannot load settings\n\nCaused by:\n    0: cannot open settings.toml\n    1: No such file or directory (os error 2)",
        "Error: cannot load settings\n\nCaused by:\n    No such file or directory (os error 2)",
    ],
    &["memory allocation of 1073741824 bytes failed", "memory allocation of 64 bytes failed"],
    // Go.
    &[
        "panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:8 +0x1d",
        "panic: runtime error: index out of range [17] with length 9\n\ngoroutine 34 [running]:\nmain.main()\n\t/app/main.go:9 +0x2f",
    ],
    &[
        "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x45e1a6]\n\ngoroutine 1 [running]:",
    ],
    &[
        "dial tcp 10.0.3.17:5432: connect: connection refused",
        "dial tcp 192.168.1.2:6432: connect: connection refused",
        "dial tcp [fe80::1ff:fe23:4567:890a]:5432: connect: connection refused",
    ],
    &[
        "dial tcp: lookup db.internal on 10.0.0.2:53: no such host",
        "dial tcp: lookup db.internal on 10.0.0.3:53: no such host",
    ],
    &["context deadline exceeded (Client.Timeout exceeded while awaiting headers)"],
    // JavaScript.
    &[
        "/app/index.js:12\n    throw err;\n    ^\n\nTypeError: Cannot read properties of undefined (reading 'title')\n    at f (/app/index.js:12:9)\n    at Module._compile (node:internal/modules/cjs/loader:1105:14)\n\nNode.js v20.11.0",
        "/app/index.js:19\n    throw err;\n    ^\n\nTypeError: Cannot read properties of undefined (reading 'title')\n    at f (/app/index.js:19:2)\n\nNode.js v22.1.0",
    ],
    &["TypeError: Cannot read properties of undefined (reading 'scenes')\n    at f (/app/index.js:12:9)"],
    &[
        "node:internal/modules/cjs/loader:1080\n  throw err;\n  ^\n\nError: Cannot find module 'sharp'\nRequire stack:\n- /app/index.js\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1077:15)",
    ],
    &["connect ECONNREFUSED 127.0.0.1:6379", "connect ECONNREFUSED 10.1.2.3:6380"],
    &["getaddrinfo EAI_AGAIN api.example.com"],
    &["FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"],
    // Databases.
    &[
        "ERROR: duplicate key value violates unique constraint \"orders_pkey\"\nDETAIL: Key (id)=(17) already exists.",
        "ERROR: duplicate key value violates unique constraint \"orders_pkey\"\nDETAIL: Key (id)=(99) already exists.",
    ],
    &["ERROR: duplicate key value violates unique constraint \"users_email_key\""],
    &["ERROR: relation \"orders\" does not exist (SQLSTATE 42P01)"],
    &[
        "ERROR: deadlock detected\nDETAIL: Process 2211 waits for ShareLock on transaction 88121; blocked by process 2214.",
    ],
    &["FATAL: remaining connection slots are reserved for non-replication superuser connections"],
    &[
        "could not connect to server: Connection timed out\n\tIs the server running on host \"db\" (10.0.0.9) and accepting TCP/IP connections on port 5432?",
    ],
    &[
        "ERROR 1062 (23000): Duplicate entry '17' for key 'PRIMARY'",
        "ERROR 1062 (23000): Duplicate entry '4711' for key 'PRIMARY'",
    ],
    &["ERROR 1205 (HY000): Lock wait timeout exceeded; try restarting transaction"],
    &["ORA-00942: table or view does not exist"],
    &["ORA-01017: invalid username/password; logon denied"],
    &["sqlite3.OperationalError: database is locked"],
    &["OOM command not allowed when used memory > 'maxmemory'."],
    // curl, ffmpeg, git, docker and others.
    &["curl: (6) Could not resolve host: api.example.com"],
    &[
        "curl: (28) Operation timed out after 30001 milliseconds with 0 bytes received",
        "curl: (28) Operation timed out after 5 seconds with 17 bytes received",
    ],
    &[
        "curl: (7) Failed to connect to api.example.com port 443 after 12 ms: Connection refused",
        "curl: (7) Failed to connect to api.example.com port 8443 after 1034 ms: Connection refused",
    ],
    &["curl: (22) The requested URL returned error: 404"],
    &[
        "[in#0 @ 0x55d0c8a1b2c0] Error opening input: No such file or directory",
        "[in#1 @ 0x7ffe01a9bb40] Error opening input: No such file or directory",
    ],
    &["[mov,mp4,m4a @ 0x55f1a0] moov atom not found", "[mov,mp4,m4a @ 0x7faa01] moov atom not found"],
    &["scene-17.mp4: Invalid data found when processing input", "cat.mp4: Invalid data found when processing input"],
    &["fatal: unable to access 'https://github.com/example/tool.git/': Could not resolve host: github.com"],
    &[
        "fatal: Authentication failed for 'https://anna:ghp_a1B2c3D4e5F6@github.com/example/tool.git/'",
        "fatal: Authentication failed for 'https://bob:ghp_Zz9Yy8Xx7Ww6@github.com/example/tool.git/'",
    ],
    &[
        "docker: Error response from daemon: pull access denied for example/tool, repository does not exist or may require 'docker login'",
    ],
    &[
        "Error from server (NotFound): pods \"render-7d9f8b6c5-x2k4p\" not found",
        "Error from server (NotFound): pods \"render-5f6c9d8b7-qzxkw\" not found",
    ],
    &[
        "write /var/lib/render/cache/8f3a2b/out: no space left on device",
        "write /var/lib/render/cache/11ab9c/out: no space left on device",
    ],
    &["cannot read `/uploads/cat.png`: gone", "cannot read `/uploads/other.png`: gone"],
    &["cannot read `/uploads/cat.png`: busy"],
    &["cannot read `/etc/render/config.toml`: gone"],
    &["cannot read `/etc/render/voices.toml`: gone"],
    &[
        "x509: certificate has expired or is not yet valid: current time 2026-11-28T21:18:53Z is after 2026-11-27T00:00:00Z",
        "x509: certificate has expired or is not yet valid: current time 2027-01-02T03:04:05.678Z is after 2027-01-01T00:00:00Z",
    ],
    &["x509: certificate signed by unknown authority"],
    // Our own words, and others'.
    &["`./render.sh` ended with exit status 1"],
    &["`./render.sh` ended with exit status 137"],
    &["`./render.sh` was killed by SIGSEGV"],
    &["the stage ran longer than its timeout of 30s", "the stage ran longer than its timeout of 2m"],
    &["no user 17 in shard a7", "no user 4711 in shard b9"],
    &["Too many requests", "too many  requests\nsecond line"],
    &["error: 3 of 20 frames are black", "error: 19 of 20 frames are black"],
    &["retry after 1 second", "retry after 20 seconds"],
    &["quota resets Sat Nov 28 21:18:53 UTC 2026", "quota resets Mon Jan 4 01:02:03 UTC 2027"],
    &[
        "2026-11-28 21:18:53,123 ERROR [worker-3] voice service unreachable",
        "2026-12-01 01:00:09,007 ERROR [worker-11] voice service unreachable",
    ],
    &["\u{1b}[31mvoice is not licensed\u{1b}[0m", "voice is not licensed"],
    &["message to anna@example.com was rejected", "message to b.smith+x@mail.example.org was rejected"],
    &["文字数が上限 500 を超えています", "文字数が上限 1000 を超えています"],
    &["Die Datei ist beschädigt"],
    &[""],
];

#[test]
fn a_cause_has_one_fingerprint_and_no_other_cause_has_it() {
    let said: usize = CAUSES.iter().map(|group| group.len()).sum();
    assert!(said > 100, "{said}");
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    for group in CAUSES {
        let of = |message: &str| fingerprint(FailureClass::Unknown, message);
        for message in *group {
            assert_eq!(normalised(message), normalised(group[0]), "one cause");
        }
        let other = known.insert(of(group[0]), group[0]);
        assert_eq!(other, None, "not the cause of {:?}: {}", group[0], normalised(group[0]));
    }
    let rate = fingerprint(FailureClass::RateLimited, "x");
    assert_ne!(rate, fingerprint(FailureClass::Unknown, "x"), "the class counts");
}

#[test]
fn words_that_are_quoted_count_and_ids_do_not() {
    insta::assert_snapshot!(normalised(r#"{"error":"card expired","code":402,"id":"ch_3Nq81"}"#), @"error card expired code 402 id ch_#");
    insta::assert_snapshot!(normalised("GET https://anna:x@api.example.com:8443/v1/users/17/files?x=1 answered 503"), @"get https://api.example.com/#/users/#/files answered 503");
    insta::assert_snapshot!(normalised("pod render-7d9f8b6c5-x2k4p, 12.5 MiB of 30s at 0x7f, /home/anna/in.mp4"), @"pod render-# # of # at # /home/#/#.mp4");
}

#[test]
fn what_a_release_before_called_a_cause_is_renewed() {
    let given_up = renewed("87077ffcc999bff3", FailureClass::Unknown, "given up by anna: it hangs");
    assert_eq!(given_up, "87077ffcc999", "as piton.force_dead_letter calls it");
    let other = renewed("0123456789abcdef", FailureClass::Unknown, "no user 17");
    assert_eq!(other, fingerprint(FailureClass::Unknown, "no user 4711"));
}

proptest! {
    #[test]
    fn any_message_has_one(message in any::<String>()) {
        let found = fingerprint(FailureClass::Unknown, &message);
        prop_assert!(found.len() == DIGITS && found.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn numbers_times_and_ids_never_make_another_cause(
        one in 1u64.., other in 1u64.., id in "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}",
        hex in "[0-9a-f]{16,40}", word in "[a-z]{3,12}",
    ) {
        let say = |number: u64, id: &str| format!("{word}: part {number} of {id} is gone since {number}s");
        prop_assert_eq!(normalised(&say(one, &id)), normalised(&say(other, &hex)));
    }
}
