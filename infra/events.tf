# With `events`: the topic that each change of a delivery is published to, and the function that gives it to endpoints. A
# subscription of yours on it gets the same, as CloudEvents: docs/events.md.

locals {
  of_events = var.events ? toset(["events"]) : toset([])
  exported  = var.events_dataset == null ? toset([]) : toset([var.events_dataset])
}

resource "google_pubsub_topic" "events" {
  # checkov:skip=CKV_GCP_83:as in topics.tf
  for_each = setunion(local.of_events, var.events ? ["events-dead"] : [])

  name         = each.key # shared/google/publisher.py
  kms_key_name = var.kms_key
  depends_on   = [google_project_service.api, google_kms_crypto_key_iam_member.agent]

  dynamic "message_storage_policy" {
    for_each = length(var.message_regions) > 0 ? [var.message_regions] : []

    content {
      allowed_persistence_regions = message_storage_policy.value
      enforce_in_transit          = true
    }
  }
}

resource "google_pubsub_subscription" "events_push" {
  for_each = local.of_events

  name                       = "events-push"
  topic                      = google_pubsub_topic.events["events"].id
  ack_deadline_seconds       = local.ack_deadline_seconds
  message_retention_duration = local.days[7]

  push_config {
    push_endpoint = "${local.urls["events"]}/"

    oidc_token {
      service_account_email = google_service_account.pusher.email
      audience              = local.urls["events"]
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  # As many as there may be: records that cannot be reached for hours keep no event from its endpoints.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.events["events-dead"].id
    max_delivery_attempts = 100
  }

  expiration_policy {
    ttl = ""
  }
}

# What no endpoint will hear of, should that ever come: read it with `gcloud pubsub subscriptions pull`.
resource "google_pubsub_subscription" "events_dead_keep" {
  for_each = local.of_events

  name                       = "events-dead-keep"
  topic                      = google_pubsub_topic.events["events-dead"].id
  message_retention_duration = local.days[local.dead_keep_days]
  retain_acked_messages      = true

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic_iam_member" "agent_publishes_dead_events" {
  for_each = local.of_events

  topic  = google_pubsub_topic.events["events-dead"].id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "agent_acknowledges_events" {
  for_each = local.of_events

  subscription = google_pubsub_subscription.events_push["events"].id
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# The export. A field of an event that the table does not have is dropped: shared/sending/event_messages.py has them all.
resource "google_bigquery_dataset" "events" {
  # checkov:skip=CKV_GCP_81:Google's own keys encrypt it: there is no address and no text in it
  for_each = local.exported

  dataset_id = each.key
  location   = var.region
  depends_on = [google_project_service.api]
}

resource "google_bigquery_table" "events" {
  # checkov:skip=CKV_GCP_80:as above
  # checkov:skip=CKV_GCP_121:as above
  for_each = local.exported

  dataset_id          = google_bigquery_dataset.events[each.key].dataset_id
  table_id            = "events"
  deletion_protection = true
  clustering          = ["notification_id"]

  time_partitioning {
    type  = "DAY"
    field = "at"
  }

  schema = jsonencode(concat(
    [for name in ["notification_id", "channel", "status", "reason", "error", "provider", "provider_message_id"] : {
      name = name, type = "STRING", mode = "NULLABLE"
    }],
    [for name in ["at", "accepted_at"] : { name = name, type = "TIMESTAMP", mode = "NULLABLE" }],
    [
      { name = "attempts", type = "INTEGER", mode = "NULLABLE" },
      { name = "simulated", type = "BOOLEAN", mode = "NULLABLE" },
      # Of the message. `attributes` has ce-id, by which a repeat is known.
      { name = "subscription_name", type = "STRING", mode = "NULLABLE" },
      { name = "message_id", type = "STRING", mode = "NULLABLE" },
      { name = "publish_time", type = "TIMESTAMP", mode = "NULLABLE" },
      { name = "attributes", type = "STRING", mode = "NULLABLE" },
    ],
  ))
}

resource "google_bigquery_dataset_iam_member" "agent_writes" {
  for_each = local.exported

  dataset_id = google_bigquery_dataset.events[each.key].dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = local.pubsub_agent
}

resource "google_pubsub_subscription" "events_export" {
  for_each = local.exported

  name                       = "events-export"
  topic                      = google_pubsub_topic.events["events"].id
  message_retention_duration = local.days[7]

  bigquery_config {
    table               = "${var.project}.${google_bigquery_table.events[each.key].dataset_id}.${google_bigquery_table.events[each.key].table_id}"
    use_table_schema    = true
    write_metadata      = true
    drop_unknown_fields = true
  }

  expiration_policy {
    ttl = ""
  }

  depends_on = [google_bigquery_dataset_iam_member.agent_writes]
}
