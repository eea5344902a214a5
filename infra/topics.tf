# Per channel: a topic that is pushed to its function, another one for what is one of many, so that nothing else waits
# behind it, and a topic of the messages which Pub/Sub gave up on. Those are pushed to dead_letter and, besides, kept:
# whatever goes wrong with dead_letter, they are there as long as records are, or for 31 days if that is less.

locals {
  # The functions check at start-up that this outlives a send: ACK_DEADLINE_SECONDS.
  ack_deadline_seconds = 60

  # By queue, its channel.
  queues = merge([for channel in keys(local.channels) : { (channel) = channel, "${channel}-bulk" = channel }]...)

  # A message that was given up has a text and an address of somebody in it: no longer than their records do. 31 days
  # are the longest that Pub/Sub allows.
  retention_days = tonumber(try(local.settings.RETENTION_DAYS, 30)) # the code's own default: shared/runtime/settings.py
  dead_keep_days = min(local.retention_days, 31)

  days = { for n in toset([7, local.dead_keep_days]) : n => "${n * 24 * 60 * 60}s" }
}

resource "google_pubsub_topic" "notifications" {
  # checkov:skip=CKV_GCP_83:Google's own keys encrypt it unless kms_key is set; a key that is lost or disabled loses messages
  for_each = local.queues

  name         = "notifications-${each.key}" # shared/channels/declaration.py
  kms_key_name = var.kms_key
  depends_on   = [google_project_service.api, google_kms_crypto_key_iam_member.agent]

  dynamic "message_storage_policy" {
    for_each = length(var.message_regions) > 0 ? [var.message_regions] : []

    content {
      allowed_persistence_regions = message_storage_policy.value
      enforce_in_transit          = true # a request that comes elsewhere is refused, not stored there meanwhile
    }
  }
}

resource "google_pubsub_topic" "dead" {
  # checkov:skip=CKV_GCP_83:as above
  for_each = local.channels

  name         = "notifications-${each.key}-dead"
  kms_key_name = var.kms_key
  depends_on   = [google_project_service.api, google_kms_crypto_key_iam_member.agent]

  dynamic "message_storage_policy" {
    for_each = length(var.message_regions) > 0 ? [var.message_regions] : []

    content {
      allowed_persistence_regions = message_storage_policy.value
      enforce_in_transit          = true # a request that comes elsewhere is refused, not stored there meanwhile
    }
  }
}

resource "google_pubsub_subscription" "push" {
  for_each = local.queues

  name                       = "notifications-${each.key}-push"
  topic                      = google_pubsub_topic.notifications[each.key].id
  ack_deadline_seconds       = local.ack_deadline_seconds
  message_retention_duration = local.days[7]

  push_config {
    push_endpoint = "${local.urls[each.value]}/"

    oidc_token {
      service_account_email = google_service_account.pusher.email
      audience              = local.urls[each.value]
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead[each.value].id
    max_delivery_attempts = 5
  }

  expiration_policy {
    ttl = "" # never: by default one that nobody uses for 31 days is gone
  }
}

# No dead-letter policy: there is nowhere further to go, and dead_keep has each message too.
resource "google_pubsub_subscription" "dead_push" {
  for_each = local.channels

  name                       = "notifications-${each.key}-dead-push"
  topic                      = google_pubsub_topic.dead[each.key].id
  ack_deadline_seconds       = local.ack_deadline_seconds
  message_retention_duration = local.days[7]

  push_config {
    push_endpoint = "${local.urls["dead_letter"]}/"

    oidc_token {
      service_account_email = google_service_account.pusher.email
      audience              = local.urls["dead_letter"]
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  expiration_policy {
    ttl = ""
  }
}

# Read with `gcloud pubsub subscriptions pull`. Also what was acked is kept, and comes back with `seek`.
resource "google_pubsub_subscription" "dead_keep" {
  for_each = local.channels

  name                       = "notifications-${each.key}-dead-keep"
  topic                      = google_pubsub_topic.dead[each.key].id
  message_retention_duration = local.days[local.dead_keep_days]
  retain_acked_messages      = true

  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub itself moves the message: it publishes to the one and acknowledges on the other. Without either role it
# drops nothing and says nothing, and the dead-letter topic stays empty while the message is pushed until it is too old.
resource "google_pubsub_topic_iam_member" "agent_publishes_dead" {
  for_each = local.channels

  topic  = google_pubsub_topic.dead[each.key].id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "agent_acknowledges" {
  for_each = local.queues

  subscription = google_pubsub_subscription.push[each.key].id
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}
