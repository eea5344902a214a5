# Events cost nothing where nobody wants them, and reach who does.

mock_provider "google" {
  source = "./tests/mocks"
}

run "by_default_there_is_nothing_of_them" {
  assert {
    condition = (
      length(google_pubsub_topic.events) + length(google_pubsub_subscription.events_push) + length(google_pubsub_subscription.events_export) == 0
      && !contains(keys(google_service_account.function), "events")
      && !contains(keys(google_service_account.function), "webhook")
      && !contains(keys(google_secret_manager_secret.setting), "ENDPOINT_KEYS")
      && !contains(keys(google_pubsub_topic.notifications), "webhook")
    )
    error_message = "No topic, no function, no secret."
  }

  assert {
    condition     = strcontains(output.substitutions, "_EVENTS=false")
    error_message = "The pipeline is told."
  }
}

run "with_them_each_change_is_pushed_to_the_function_and_what_it_cannot_take_is_kept" {
  variables {
    events = true
  }

  assert {
    condition     = toset(values(google_pubsub_topic.events)[*].name) == toset(["events", "events-dead"])
    error_message = "The topic, as shared/google/publisher.py names it, and one for what was given up."
  }

  assert {
    condition = (
      google_pubsub_subscription.events_push["events"].push_config[0].push_endpoint == "${local.urls["events"]}/"
      && google_pubsub_subscription.events_push["events"].push_config[0].oidc_token[0].audience == local.urls["events"]
      && google_pubsub_subscription.events_push["events"].dead_letter_policy[0].dead_letter_topic == google_pubsub_topic.events["events-dead"].id
      && google_pubsub_subscription.events_dead_keep["events"].topic == google_pubsub_topic.events["events-dead"].id
      && google_pubsub_topic_iam_member.agent_publishes_dead_events["events"].topic == google_pubsub_topic.events["events-dead"].id
      && google_pubsub_subscription_iam_member.agent_acknowledges_events["events"].subscription == google_pubsub_subscription.events_push["events"].id
    )
    error_message = "Pushed with a token, and never dropped."
  }

  assert {
    condition     = toset(keys(google_pubsub_topic_iam_member.events_publisher)) == setsubtract(toset(keys(google_service_account.function)), ["events", "webhook"])
    error_message = "Whoever changes a delivery publishes events; what carries them does not."
  }

  assert {
    condition     = contains(keys(google_pubsub_topic.notifications), "webhook") && contains(keys(google_service_account.function), "webhook")
    error_message = "The channel that carries them is there."
  }

  assert {
    condition     = toset([for use in keys(google_secret_manager_secret_iam_member.reader) : use if startswith(use, "ENDPOINT_KEYS ")]) == toset(["ENDPOINT_KEYS gateway", "ENDPOINT_KEYS webhook"])
    error_message = "The keys of endpoints' secrets are for who shows them and who signs."
  }

  assert {
    condition     = length(google_pubsub_subscription.events_export) == 0 && strcontains(output.substitutions, "_EVENTS=true")
    error_message = "No export that nobody asked for; and the pipeline is told."
  }
}

run "the_export_is_written_by_pubsub_alone" {
  variables {
    events         = true
    events_dataset = "hark"
  }

  assert {
    condition = (
      google_pubsub_subscription.events_export["hark"].bigquery_config[0].table == "a-project.hark.events"
      && google_pubsub_subscription.events_export["hark"].bigquery_config[0].use_table_schema
      && google_bigquery_dataset_iam_member.agent_writes["hark"].role == "roles/bigquery.dataEditor"
    )
    error_message = "By its table's schema."
  }
}

run "an_export_needs_events" {
  command = plan

  variables {
    events_dataset = "hark"
  }

  expect_failures = [var.events_dataset]
}
