# What goes wrong is told.

mock_provider "google" {
  source = "./tests/mocks"
}

run "each_alert_is_there_and_needs_no_metric_to_be_made" {
  assert {
    condition     = toset(keys(google_monitoring_alert_policy.alert)) == toset(["credentials", "dead_letters", "errors", "oldest_unacked", "operations", "provider_down", "relay"])
    error_message = "Dead letters, old messages, errors, a relay or operations that stand still, a provider that is down, refused credentials."
  }

  assert {
    condition = alltrue(flatten([for policy in google_monitoring_alert_policy.alert : [
      for condition in policy.conditions : condition.condition_prometheus_query_language[0].disable_metric_validation
    ]]))
    error_message = "A first apply comes before the first line of the log."
  }

  assert {
    condition     = google_monitoring_alert_policy.alert["oldest_unacked"].conditions[0].condition_prometheus_query_language[0].query == "max by (subscription_id) (pubsub_googleapis_com:subscription_oldest_unacked_message_age{monitored_resource=\"pubsub_subscription\", subscription_id=~\"notifications-.*-push\"}) > 300"
    error_message = "Only subscriptions that are pushed: nobody acks what is kept."
  }
}

run "the_objective" {
  assert {
    condition     = google_monitoring_slo.sent_in_time.goal == 0.999 && toset(keys(google_monitoring_alert_policy.burn)) == toset(["fast", "slow"])
    error_message = "99.9 %, with two burn rates."
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.burn : policy.combiner == "AND" && length(policy.conditions) == 2])
    error_message = "A long and a short window each."
  }

  assert {
    condition     = strcontains(google_logging_metric.counter["in_time"].filter, "accept_to_sent_ms<=60000") && strcontains(google_logging_metric.counter["missed"].filter, "accept_to_sent_ms>60000 OR ((jsonPayload.message=\"dead\" OR ") && strcontains(google_logging_metric.counter["missed"].filter, "AND NOT jsonPayload.outcome=\"refused\"")
    error_message = "In time is within 60 s; what is dead never was, unless it was refused."
  }
}

run "what_a_new_project_has_is_what_the_pipeline_is_told" {
  assert {
    condition     = strcontains(output.substitutions, "_MAX_INSTANCES=20") && strcontains(output.substitutions, "_PARALLEL_BUILDS=2") && strcontains(output.substitutions, "_ALL_USERS=false")
    error_message = "20 CPUs of Cloud Run, 5 of Cloud Build, and no grant to everybody."
  }
}

run "what_the_project_has_more_or_less_is_said" {
  variables {
    max_instances   = 5
    parallel_builds = 6
    all_users       = true
  }

  assert {
    condition     = strcontains(output.substitutions, "_MAX_INSTANCES=5") && strcontains(output.substitutions, "_PARALLEL_BUILDS=6") && strcontains(output.substitutions, "_ALL_USERS=true")
    error_message = "The variables reach the pipeline."
  }
}

run "fewer_instances_at_most_than_at_least_are_refused" {
  command = plan

  variables {
    min_instances = 3
    max_instances = 2
  }

  expect_failures = [var.max_instances]
}

run "none_at_a_time_is_refused" {
  command = plan

  variables {
    parallel_builds = 0
  }

  expect_failures = [var.parallel_builds]
}

run "nobody_is_told_and_nothing_is_limited_by_default" {
  assert {
    condition     = length(google_monitoring_notification_channel.email) == 0 && length(google_billing_budget.project) == 0
    error_message = "No address and no sum of ours."
  }
}

run "those_named_are_told" {
  variables {
    alert_emails   = ["a@example.com", "b@example.com"]
    monthly_budget = 100
  }

  assert {
    condition = alltrue([for policy in concat(values(google_monitoring_alert_policy.alert), values(google_monitoring_alert_policy.burn)) : (
      toset(policy.notification_channels) == toset(values(google_monitoring_notification_channel.email)[*].id)
    )])
    error_message = "Each alert reaches each address."
  }

  assert {
    condition     = google_billing_budget.project[0].amount[0].specified_amount[0].units == "100" && length(google_billing_budget.project[0].all_updates_rule[0].monitoring_notification_channels) == 2
    error_message = "The budget too."
  }
}

run "the_dashboard_shows_each_channel" {
  assert {
    condition     = length(jsondecode(google_monitoring_dashboard.hark.dashboard_json).mosaicLayout.tiles) == 10
    error_message = "Ten charts."
  }
}
