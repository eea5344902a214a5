# A key of one's own (kms_key) for what holds addresses and texts. Google's services use it as their own accounts, its agents:
# https://cloud.google.com/firestore/native/docs/use-cmek, https://cloud.google.com/pubsub/docs/encryption (2026-11)

locals {
  firestore_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-firestore.iam.gserviceaccount.com"
  pubsub_agent    = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_kms_crypto_key_iam_member" "agent" {
  for_each = var.kms_key == null ? {} : { firestore = local.firestore_agent, pubsub = local.pubsub_agent }

  crypto_key_id = var.kms_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value
}
