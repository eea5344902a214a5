# What stands in for Google in every file of tests.

mock_data "google_project" {
  defaults = { number = "123456789012" }
}
