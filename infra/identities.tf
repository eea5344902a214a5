# Who is who. What each may do is in access.tf and build.tf, and for secrets in secrets.tf.

resource "google_service_account" "function" {
  for_each = local.functions

  account_id   = local.services[each.key]
  display_name = "The function ${each.key}"
  depends_on   = [google_project_service.api]

  lifecycle {
    precondition {
      condition     = length(local.services[each.key]) <= 30
      error_message = "${local.services[each.key]}: a service account's id has at most 30 characters."
    }
  }
}

resource "google_service_account" "pusher" {
  account_id   = "${var.name}-pusher"
  display_name = "Pub/Sub's pushes to the functions"
  depends_on   = [google_project_service.api]
}

resource "google_service_account" "scheduler" {
  account_id   = "${var.name}-scheduler"
  display_name = "Cloud Scheduler's calls of the relay and the operations"
  depends_on   = [google_project_service.api]
}

resource "google_service_account" "deployer" {
  account_id   = "${var.name}-deployer"
  display_name = "cloudbuild.yaml: deploys the functions"
  depends_on   = [google_project_service.api]
}

resource "google_service_account" "tester" {
  account_id   = "${var.name}-tester"
  display_name = "cloudbuild-test.yaml: tests a commit"
  depends_on   = [google_project_service.api]
}

resource "google_service_account" "builder" {
  account_id   = "${var.name}-builder"
  display_name = "Builds the functions' images"
  depends_on   = [google_project_service.api]
}
