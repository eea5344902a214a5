locals {
  indexes = yamldecode(file("${path.module}/indexes.yaml"))

  # "shard", "created_at desc", or "found_by contains"
  composite = {
    for index in local.indexes.composite :
    join(" ", concat([index.collection, lower(index.scope)], [for field in index.fields : replace(field, " ", "_")])) => index
  }

  unindexed = {
    for pair in flatten([
      [for collection, fields in local.indexes.unindexed : [for field in fields : "${collection}.${field}"]],
      [for collection in local.indexes.expiring : "${collection}.expire_at"],
    ]) : pair => { collection = split(".", pair)[0], field = split(".", pair)[1] }
  }

  # The rest is records. Callers are read by their names alone; of these the audit log has an index.
  of_callers = toset(["callers", "uses", "usage", "audit"])
}

resource "google_firestore_database" "records" {
  name                              = var.database
  location_id                       = coalesce(var.database_location, var.region)
  type                              = "FIRESTORE_NATIVE"
  delete_protection_state           = "DELETE_PROTECTION_ENABLED"
  deletion_policy                   = "ABANDON"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  depends_on                        = [google_project_service.api, google_kms_crypto_key_iam_member.agent]

  dynamic "cmek_config" {
    for_each = var.kms_key[*]
    content { kms_key_name = cmek_config.value }
  }
}

resource "google_firestore_database" "callers" {
  name                              = local.callers_database
  location_id                       = google_firestore_database.records.location_id
  type                              = "FIRESTORE_NATIVE"
  delete_protection_state           = "DELETE_PROTECTION_ENABLED"
  deletion_policy                   = "ABANDON"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  depends_on                        = [google_project_service.api, google_kms_crypto_key_iam_member.agent]

  dynamic "cmek_config" {
    for_each = var.kms_key[*]
    content { kms_key_name = cmek_config.value }
  }
}

resource "google_firestore_index" "composite" {
  for_each = local.composite

  database    = contains(local.of_callers, each.value.collection) ? google_firestore_database.callers.name : google_firestore_database.records.name
  collection  = each.value.collection
  query_scope = each.value.scope

  dynamic "fields" {
    for_each = each.value.fields

    content {
      field_path   = split(" ", fields.value)[0]
      order        = endswith(fields.value, " contains") ? null : endswith(fields.value, " desc") ? "DESCENDING" : "ASCENDING"
      array_config = endswith(fields.value, " contains") ? "CONTAINS" : null
    }
  }
}

resource "google_firestore_field" "unindexed" {
  for_each = local.unindexed

  database   = contains(local.of_callers, each.value.collection) ? google_firestore_database.callers.name : google_firestore_database.records.name
  collection = each.value.collection
  field      = each.value.field

  index_config {} # empty: no index of this field alone

  dynamic "ttl_config" {
    for_each = each.value.field == "expire_at" ? [true] : []
    content {}
  }

  # So many changes at once Firestore refuses; these come when the indexes are built.
  depends_on = [google_firestore_index.composite]
}
