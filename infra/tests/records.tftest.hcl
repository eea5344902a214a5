# The records are not deleted by mistake, and are by their time.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  project = "a-project"
  region  = "europe-west1"
  domain  = "hark.example.com"
}

run "the_database_can_be_brought_back" {
  assert {
    condition = (
      google_firestore_database.records.type == "FIRESTORE_NATIVE"
      && google_firestore_database.records.delete_protection_state == "DELETE_PROTECTION_ENABLED"
      && google_firestore_database.records.deletion_policy == "ABANDON"
      && google_firestore_database.records.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED"
    )
    error_message = "Native mode, protected against deletion, with point-in-time recovery."
  }
}

run "records_expire" {
  assert {
    condition     = toset([for field in google_firestore_field.unindexed : field.collection if length(field.ttl_config) == 1 && field.field == "expire_at"]) == toset(["notifications", "deliveries", "receipts", "usage"])
    error_message = "Each collection with expire_at has its TTL, and no other field has one."
  }

  assert {
    condition     = alltrue([for field in google_firestore_field.unindexed : length(field.index_config) == 1 && length(field.index_config[0].indexes) == 0])
    error_message = "An exempted field has no index of its own."
  }
}

run "no_field_has_an_index_of_its_own" {
  assert {
    condition = length(setsubtract([
      "notifications.created_at", "notifications.expire_at", "notifications.message",
      "deliveries.created_at", "deliveries.due_at", "deliveries.dead_at", "deliveries.expire_at", "deliveries.updated_at", "deliveries.attempts",
      "receipts.due_at", "receipts.expire_at", "usage.requests", "usage.expire_at",
    ], [for field in google_firestore_field.unindexed : "${field.collection}.${field.field}"])) == 0
    error_message = "Times, attempts, texts and the map of minutes are exempted."
  }
}

run "each_index_is_made" {
  assert {
    condition     = length(google_firestore_index.composite) == length(yamldecode(file("indexes.yaml")).composite)
    error_message = "All of indexes.yaml."
  }

  assert {
    condition     = [for field in google_firestore_index.composite["deliveries collection_group shard status dead_at_desc"].fields : "${field.field_path} ${field.order}"] == ["shard ASCENDING", "status ASCENDING", "dead_at DESCENDING"]
    error_message = "Fields in their order and direction."
  }
}
