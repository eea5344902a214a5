# What deploying takes, in three accounts: the tester runs cloudbuild-test.yaml, the deployer cloudbuild.yaml, the builder only makes
# the images. Testing runs all code of every dependency and building its installation's, which has no business with deploying.

resource "google_artifact_registry_repository" "images" {
  # checkov:skip=CKV_GCP_84:Google's own keys encrypt it; the images hold no secret
  repository_id = var.name
  location      = var.region
  format        = "DOCKER"
  description   = "The functions' images"

  cleanup_policies {
    id     = "keep-the-latest"
    action = "KEEP"

    most_recent_versions {
      keep_count = 10 # of each function: enough to go back
    }
  }

  cleanup_policies {
    id     = "delete-the-rest"
    action = "DELETE"

    condition {
      older_than = "2592000s"
    }
  }

  depends_on = [google_project_service.api]
}

# run.developer deploys but cannot say who may call; run.admin could also do all else.
resource "google_project_iam_custom_role" "invoker_setter" {
  role_id     = "${replace(var.name, "-", "_")}_invoker_setter"
  title       = "Says who may call the functions"
  permissions = ["run.services.getIamPolicy", "run.services.setIamPolicy"]
  depends_on  = [google_project_service.api]
}

resource "google_project_iam_member" "deployer" {
  for_each = {
    functions = "roles/cloudfunctions.developer"
    services  = "roles/run.developer"
    invokers  = google_project_iam_custom_role.invoker_setter.name
    builds    = "roles/cloudbuild.builds.viewer" # whether the commit has passed its tests
    logs      = "roles/logging.logWriter"
  }

  project = var.project
  role    = each.value
  member  = google_service_account.deployer.member
}

resource "google_project_iam_member" "builder_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.builder.member
}

resource "google_project_iam_member" "tester_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.tester.member
}

resource "google_artifact_registry_repository_iam_member" "builder" {
  repository = google_artifact_registry_repository.images.id
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.builder.member
}

# The buckets are Google's own, made at the first `gcloud builds submit` and the first deployment. Cloud Build fetches a build's
# source as its account: the tester sees the sources that are given to it, and not even those of the other builds.
resource "google_project_iam_member" "sources" {
  for_each = {
    deployer = { member = google_service_account.deployer.member, objects = "${var.project}_cloudbuild" }
    tester   = { member = google_service_account.tester.member, objects = "${var.project}_cloudbuild/objects/${var.name}-tests/" }
    builder  = { member = google_service_account.builder.member, objects = "gcf-v2-sources-${data.google_project.this.number}-${var.region}" }
  }

  project = var.project
  role    = "roles/storage.objectViewer"
  member  = each.value.member

  condition {
    title       = "${var.name}-${each.key}-sources"
    description = "The sources to build alone"
    expression  = "resource.name.startsWith(\"projects/_/buckets/${each.value.objects}\")"
  }
}

# To deploy a function with an account is to act as it.
resource "google_service_account_iam_member" "deployer_acts_as" {
  for_each = merge(
    { for function in local.functions : function => google_service_account.function[function].name },
    { builder = google_service_account.builder.name },
  )

  service_account_id = each.value
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.deployer.member
}
