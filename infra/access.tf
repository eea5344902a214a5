# What the functions may do. Who may call them is set where they are deployed: docs/decisions/006-access.md.

locals {
  publishers = {
    for pair in setproduct(local.functions, keys(local.queues)) :
    join(" ", pair) => { function = pair[0], queue = pair[1] }
  }
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = local.publishers

  topic  = google_pubsub_topic.notifications[each.value.queue].id
  role   = "roles/pubsub.publisher"
  member = google_service_account.function[each.value.function].member
}

# Whoever changes a delivery; those that carry an event cause none.
resource "google_pubsub_topic_iam_member" "events_publisher" {
  for_each = var.events ? setsubtract(local.functions, ["webhook", "events"]) : toset([])

  topic  = google_pubsub_topic.events["events"].id
  role   = "roles/pubsub.publisher"
  member = google_service_account.function[each.key].member
}

# Firestore has no roles on anything smaller than a project: the condition leaves of it the one database. Callers are in
# another: whoever takes a channel function over makes no API key with it, and reads none's hash.
resource "google_project_iam_member" "records" {
  for_each = local.functions

  project = var.project
  role    = "roles/datastore.user"
  member  = google_service_account.function[each.key].member

  condition {
    title       = "${var.name}-database"
    description = "Hark's database alone"
    expression  = "resource.name == \"projects/${var.project}/databases/${google_firestore_database.records.name}\""
  }
}

# The operations accept a broadcast's notifications for its caller, within that caller's limits, as the gateway does.
resource "google_project_iam_member" "callers" {
  for_each = toset(["gateway", "operations"])

  project = var.project
  role    = "roles/datastore.user"
  member  = google_service_account.function[each.key].member

  condition {
    title       = "${var.name}-callers-database"
    description = "The callers' database alone"
    expression  = "resource.name == \"projects/${var.project}/databases/${google_firestore_database.callers.name}\""
  }
}

# What a channel's function calls besides, in the project: channels.yaml says it.
resource "google_project_iam_member" "channel" {
  for_each = {
    for use in flatten([for name, channel in local.channels : [for role in try(channel.roles, []) : { function = name, role = role }]]) :
    "${use.function} ${use.role}" => use
  }

  project = var.project
  role    = each.value.role
  member  = google_service_account.function[each.value.function].member
}

# For OTEL=google. The roles write and cannot read: https://docs.cloud.google.com/iam/docs/roles-permissions/telemetry
resource "google_project_iam_member" "telemetry" {
  for_each = {
    for pair in setproduct(local.functions, ["tracesWriter", "metricsWriter"]) :
    join(" ", pair) => { function = pair[0], role = "roles/telemetry.${pair[1]}" }
  }

  project = var.project
  role    = each.value.role
  member  = google_service_account.function[each.value.function].member
}

# Pub/Sub signs the pushes' tokens as the pusher. Its agent has this on all accounts of a project that is younger than
# April 2021 and whose default grants nobody took away; here it is granted for the rest, on this account alone.
resource "google_service_account_iam_member" "pubsub_pushes_as_pusher" {
  service_account_id = google_service_account.pusher.name
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = local.pubsub_agent
  depends_on         = [google_pubsub_topic.notifications] # the agent exists once Pub/Sub is used
}
