//! Buckets: each cloud is a feature of this crate, and one that was left out is refused by its name.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;

/// What is below `prefix` in the bucket of that URL, or why it cannot be used.
type Bucket = Result<Arc<dyn ObjectStore>, String>;

#[cfg(feature = "aws")]
pub(super) fn s3(url: &str, prefix: Path) -> Bucket {
    behind(object_store::aws::AmazonS3Builder::from_env().with_url(url).build(), prefix)
}

#[cfg(not(feature = "aws"))]
pub(super) fn s3(_: &str, _: Path) -> Bucket {
    Err(crate::model::feature::left_out("a store at s3://", "aws"))
}

#[cfg(feature = "gcp")]
pub(super) fn gcs(url: &str, prefix: Path) -> Bucket {
    behind(object_store::gcp::GoogleCloudStorageBuilder::from_env().with_url(url).build(), prefix)
}

#[cfg(not(feature = "gcp"))]
pub(super) fn gcs(_: &str, _: Path) -> Bucket {
    Err(crate::model::feature::left_out("a store at gs://", "gcp"))
}

#[cfg(feature = "azure")]
pub(super) fn azure(url: &str, prefix: Path) -> Bucket {
    behind(object_store::azure::MicrosoftAzureBuilder::from_env().with_url(url).build(), prefix)
}

#[cfg(not(feature = "azure"))]
pub(super) fn azure(_: &str, _: Path) -> Bucket {
    Err(crate::model::feature::left_out("a store at abfss://", "azure"))
}

fn behind<S: ObjectStore>(store: object_store::Result<S>, prefix: Path) -> Bucket {
    let store = store.map_err(|error| format!("{error}; account, region and keys come from the environment"))?;
    Ok(Arc::new(object_store::prefix::PrefixStore::new(store, prefix)))
}
