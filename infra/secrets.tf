# The secrets that functions read, each with the functions that may. Their values are not Terraform's, whose state would
# hold them: `gcloud secrets versions add NAME --data-file=-`.

locals {
  secret_uses = { for use in concat(
    flatten([for channel, entry in local.channels : [
      [for setting in try(entry.secrets, []) : { setting = setting, function = channel }],
      [for setting in try(entry.receipt_secrets, []) : { setting = setting, function = "gateway" }],
    ]]),
    # By what addresses are hashed in suppressions: for whoever asks about one or writes one.
    [for function in setsubtract(local.functions, ["dead_letter"]) : { setting = "ADDRESS_HASH_KEY", function = function }],
    local.mtls ? [{ setting = "LOAD_BALANCER_SECRET", function = "gateway" }] : [],
  ) : "${use.setting} ${use.function}" => use... }

  # TWILIO_AUTH_TOKEN is hark-twilio-auth-token
  secret_ids = {
    for use in flatten(values(local.secret_uses)) :
    use.setting => "${var.name}-${lower(replace(use.setting, "_", "-"))}"...
  }
}

resource "google_secret_manager_secret" "setting" {
  for_each = local.secret_ids

  secret_id = each.value[0]

  replication {
    auto {}
  }

  depends_on = [google_project_service.api]
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = local.secret_uses

  secret_id = google_secret_manager_secret.setting[each.value[0].setting].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.function[each.value[0].function].member
}

# The pipeline looks which of them have a value, and deploys with those.
resource "google_secret_manager_secret_iam_member" "deployer_lists" {
  for_each = local.secret_ids

  secret_id = google_secret_manager_secret.setting[each.key].id
  role      = "roles/secretmanager.viewer"
  member    = google_service_account.deployer.member
}

# The one value that Terraform has anyway: it goes into the load balancer, too.
resource "google_secret_manager_secret_version" "load_balancer" {
  count = local.mtls ? 1 : 0

  secret      = google_secret_manager_secret.setting["LOAD_BALANCER_SECRET"].id
  secret_data = var.load_balancer_secret
}

# A test key, with which the pipeline sends one notification after it has deployed.
resource "google_secret_manager_secret" "smoke_test_key" {
  secret_id = "${var.name}-smoke-test-key"

  replication {
    auto {}
  }

  depends_on = [google_project_service.api]
}

resource "google_secret_manager_secret_iam_member" "smoke_test_key_reader" {
  secret_id = google_secret_manager_secret.smoke_test_key.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.deployer.member
}
