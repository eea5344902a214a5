# The records are not deleted by mistake, and are by their time.

mock_provider "google" {
  source = "./tests/mocks"
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

run "callers_are_in_a_database_of_their_own_beside_the_records" {
  assert {
    condition = (
      google_firestore_database.callers.name == "hark-callers"
      && google_firestore_database.callers.location_id == google_firestore_database.records.location_id
      && google_firestore_database.callers.delete_protection_state == "DELETE_PROTECTION_ENABLED"
      && google_firestore_database.callers.deletion_policy == "ABANDON"
      && google_firestore_database.callers.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED"
    )
    error_message = "Protected as the records are."
  }

  assert {
    condition     = alltrue([for field in google_firestore_field.unindexed : (field.database == "hark-callers") == contains(["callers", "uses", "usage", "audit"], field.collection)])
    error_message = "Callers, their usage and the audit log are exempted, and expire, where they are."
  }

  assert {
    condition     = alltrue([for index in google_firestore_index.composite : (index.database == "hark-callers") == (index.collection == "audit")])
    error_message = "The audit log is read where it is."
  }
}

run "they_cannot_be_in_the_records_database" {
  command = plan

  variables {
    database         = "hark"
    callers_database = "hark"
  }

  expect_failures = [var.callers_database]
}

run "without_a_key_googles_own_encrypt" {
  assert {
    condition     = length(google_firestore_database.records.cmek_config) == 0 && length(google_kms_crypto_key_iam_member.agent) == 0
    error_message = "No key, and nobody who may use one."
  }
}

run "a_key_of_ones_own_encrypts_what_holds_addresses_and_texts" {
  variables {
    kms_key = "projects/a-project/locations/europe-west1/keyRings/hark/cryptoKeys/hark"
  }

  assert {
    condition = toset(concat(
      google_firestore_database.records.cmek_config[*].kms_key_name,
      google_firestore_database.callers.cmek_config[*].kms_key_name,
      values(google_pubsub_topic.notifications)[*].kms_key_name,
      values(google_pubsub_topic.dead)[*].kms_key_name,
    )) == toset(["projects/a-project/locations/europe-west1/keyRings/hark/cryptoKeys/hark"])
    error_message = "Both databases and every topic."
  }

  assert {
    condition = toset([for grant in google_kms_crypto_key_iam_member.agent : "${grant.role} ${grant.member}"]) == toset([
      for service in ["firestore", "pubsub"] : "roles/cloudkms.cryptoKeyEncrypterDecrypter serviceAccount:service-123456789012@gcp-sa-${service}.iam.gserviceaccount.com"
    ])
    error_message = "Firestore's and Pub/Sub's agents use it, and nobody else does."
  }
}

run "records_expire" {
  assert {
    condition     = toset([for field in google_firestore_field.unindexed : field.collection if length(field.ttl_config) == 1 && field.field == "expire_at"]) == toset(["notifications", "deliveries", "attachments", "keys", "operations", "members", "receipts", "usage", "frequencies", "plans", "found_messages", "replay_plans", "audit"])
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

  assert {
    condition = [
      for field in google_firestore_index.composite["notifications collection caller found_by_contains shard created_at_desc"].fields :
      "${field.field_path} ${field.array_config == null ? field.order : field.array_config}"
    ] == ["caller ASCENDING", "found_by CONTAINS", "shard ASCENDING", "created_at DESCENDING"]
    error_message = "A list is looked into, and has no direction."
  }
}

run "the_audit_log_has_a_copy_that_no_function_can_change" {
  assert {
    condition     = google_logging_project_bucket_config.audit.retention_days == 365
    error_message = "As long as the entries themselves."
  }

  assert {
    condition     = strcontains(google_logging_project_sink.audit.filter, "hark-gateway") && strcontains(google_logging_project_sink.audit.filter, "\"an act begins\"")
    error_message = "Of the gateway, each act's beginning and its entry."
  }
}
