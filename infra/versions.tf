terraform {
  required_version = ">= 1.11" # the tests mock the provider, and validations refer to other variables

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.0"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region

  # The budget's API counts calls against a project, which a person's credentials do not name.
  billing_project       = var.project
  user_project_override = true
}

data "google_project" "this" {
  project_id = var.project
}
