# Which channels there are, and what comes with them.

mock_provider "google" {
  source = "./tests/mocks"
}

run "without_a_word_there_are_those_that_are_not_optional" {
  assert {
    condition     = toset(keys(local.channels)) == toset(["email", "sms", "slack"])
    error_message = "Nobody pays for a channel that nobody has asked for."
  }

  assert {
    condition     = length(google_project_iam_member.channel) == 0 && !contains(keys(google_project_service.api), "fcm.googleapis.com")
    error_message = "Nor is there a role or an API of one."
  }
}

run "those_that_are_named_are_there" {
  variables {
    channels = ["email", "push"]
  }

  assert {
    condition     = toset(values(google_pubsub_topic.notifications)[*].name) == toset(["notifications-email", "notifications-email-bulk", "notifications-push", "notifications-push-bulk"])
    error_message = "Each has its topics, and no other has."
  }

  assert {
    condition     = { for key, grant in google_project_iam_member.channel : key => grant.member } == { "push roles/firebasecloudmessaging.admin" = google_service_account.function["push"].member }
    error_message = "A channel's function gets the roles of its entry, and nobody else does."
  }

  assert {
    condition     = contains(keys(google_project_service.api), "fcm.googleapis.com")
    error_message = "The APIs of its entry are on."
  }

  assert {
    condition     = strcontains(output.substitutions, "_CHANNELS=email+push")
    error_message = "The pipeline is told which there are."
  }
}

run "what_is_no_channel_is_refused" {
  command = plan

  variables {
    channels = ["email", "pigeon"]
  }

  expect_failures = [var.channels]
}

run "what_carries_events_is_no_channel_to_name" {
  command = plan

  variables {
    channels = ["webhook"]
  }

  expect_failures = [var.channels]
}
