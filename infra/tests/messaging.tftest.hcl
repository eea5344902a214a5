# No message is lost for want of a subscription, a role or time.

mock_provider "google" {
  source = "./tests/mocks"
}

run "every_topic_has_a_subscription_that_pushes" {
  assert {
    condition     = toset(values(google_pubsub_topic.notifications)[*].name) == toset(flatten([for channel in [for name, channel in yamldecode(file("channels.yaml")) : name if !try(channel.of_events, channel.optional, false)] : ["notifications-${channel}", "notifications-${channel}-bulk"]]))
    error_message = "Each channel of channels.yaml has its two topics, named as shared/channels/declaration.py names them."
  }

  assert {
    condition     = alltrue([for queue, topic in google_pubsub_topic.notifications : google_pubsub_subscription.push[queue].topic == topic.id])
    error_message = "Each topic is pushed."
  }

  assert {
    condition     = alltrue([for channel, topic in google_pubsub_topic.dead : google_pubsub_subscription.dead_push[channel].topic == topic.id && google_pubsub_subscription.dead_keep[channel].topic == topic.id])
    error_message = "Each dead-letter topic is pushed, and kept."
  }
}

run "each_push_carries_a_token_for_the_function_that_it_goes_to" {
  assert {
    condition = alltrue([for queue, subscription in google_pubsub_subscription.push : (
      subscription.push_config[0].push_endpoint == "https://hark-${replace(trimsuffix(queue, "-bulk"), "_", "-")}-123456789012.europe-west1.run.app/"
      && "${subscription.push_config[0].oidc_token[0].audience}/" == subscription.push_config[0].push_endpoint
      && subscription.push_config[0].oidc_token[0].service_account_email == google_service_account.pusher.email
    )])
    error_message = "A channel's push goes to its function, as the pusher."
  }

  assert {
    condition = alltrue([for subscription in google_pubsub_subscription.dead_push : (
      subscription.push_config[0].push_endpoint == "https://hark-dead-letter-123456789012.europe-west1.run.app/"
      && "${subscription.push_config[0].oidc_token[0].audience}/" == subscription.push_config[0].push_endpoint
      && subscription.push_config[0].oidc_token[0].service_account_email == google_service_account.pusher.email
    )])
    error_message = "A dead letter's push goes to dead_letter, as the pusher."
  }
}

run "messages_stay_where_they_may_be" {
  variables {
    message_regions = ["europe-west1", "europe-west4"]
  }

  assert {
    condition = alltrue([for topic in concat(values(google_pubsub_topic.notifications), values(google_pubsub_topic.dead)) : (
      topic.message_storage_policy[0].allowed_persistence_regions == toset(["europe-west1", "europe-west4"])
      && topic.message_storage_policy[0].enforce_in_transit
    )])
    error_message = "Every topic, at rest and in transit."
  }
}

run "what_cannot_be_delivered_is_kept" {
  assert {
    condition = alltrue([for queue, subscription in google_pubsub_subscription.push : (
      subscription.dead_letter_policy[0].dead_letter_topic == google_pubsub_topic.dead[trimsuffix(queue, "-bulk")].id
      && subscription.dead_letter_policy[0].max_delivery_attempts == 5
    )])
    error_message = "After five attempts a message goes to its channel's dead-letter topic."
  }

  assert {
    condition = alltrue([for channel in keys(google_pubsub_topic.dead) : (
      google_pubsub_topic_iam_member.agent_publishes_dead[channel].topic == google_pubsub_topic.dead[channel].id
      && google_pubsub_topic_iam_member.agent_publishes_dead[channel].role == "roles/pubsub.publisher"
      && google_pubsub_topic_iam_member.agent_publishes_dead[channel].member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
      )]) && alltrue([for queue in keys(google_pubsub_subscription.push) : (
      google_pubsub_subscription_iam_member.agent_acknowledges[queue].subscription == google_pubsub_subscription.push[queue].id
      && google_pubsub_subscription_iam_member.agent_acknowledges[queue].role == "roles/pubsub.subscriber"
      && google_pubsub_subscription_iam_member.agent_acknowledges[queue].member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    )])
    error_message = "Pub/Sub's agent may move a message from the subscription to the dead-letter topic."
  }

  assert {
    condition = alltrue([for subscription in google_pubsub_subscription.dead_keep : (
      subscription.message_retention_duration == "${min(tonumber(try(yamldecode(file("settings.yaml")).RETENTION_DAYS, 30)), 31) * 86400}s"
      && subscription.retain_acked_messages && length(subscription.push_config) == 0
    )])
    error_message = "Dead letters are kept as long as records are (31 days at most), whoever reads them."
  }
}

run "no_subscription_ends_and_all_have_time" {
  assert {
    condition = alltrue([for subscription in concat(
      values(google_pubsub_subscription.push), values(google_pubsub_subscription.dead_push), values(google_pubsub_subscription.dead_keep)
    ) : subscription.expiration_policy[0].ttl == ""])
    error_message = "No subscription expires."
  }

  assert {
    condition = alltrue([for subscription in concat(values(google_pubsub_subscription.push), values(google_pubsub_subscription.dead_push)) : (
      subscription.message_retention_duration == "604800s"
      && subscription.ack_deadline_seconds == 60
      && subscription.retry_policy[0].minimum_backoff == "10s"
      && subscription.retry_policy[0].maximum_backoff == "600s"
    )])
    error_message = "A push has 7 days, the functions' ACK_DEADLINE_SECONDS, and pauses between its tries."
  }
}

run "the_relay_is_called_every_minute" {
  assert {
    condition = (
      google_cloud_scheduler_job.relay.schedule == "* * * * *"
      && google_cloud_scheduler_job.relay.http_target[0].http_method == "POST"
      && google_cloud_scheduler_job.relay.http_target[0].uri == "https://hark-relay-123456789012.europe-west1.run.app/"
      && google_cloud_scheduler_job.relay.http_target[0].oidc_token[0].service_account_email == google_service_account.scheduler.email
      && google_cloud_scheduler_job.relay.http_target[0].oidc_token[0].audience == "https://hark-relay-123456789012.europe-west1.run.app"
    )
    error_message = "Cloud Scheduler calls the relay every minute, as the scheduler."
  }

  assert {
    condition     = google_cloud_scheduler_job.relay.attempt_deadline == "120s" && google_cloud_scheduler_job.relay.retry_config[0].retry_count == 1
    error_message = "A sweep has the time that it may take."
  }
}

run "operations_are_worked_off_every_minute" {
  assert {
    condition = (
      google_cloud_scheduler_job.operations.schedule == "* * * * *"
      && google_cloud_scheduler_job.operations.http_target[0].http_method == "POST"
      && google_cloud_scheduler_job.operations.http_target[0].uri == "https://hark-operations-123456789012.europe-west1.run.app/"
      && google_cloud_scheduler_job.operations.http_target[0].oidc_token[0].service_account_email == google_service_account.scheduler.email
      && google_cloud_scheduler_job.operations.http_target[0].oidc_token[0].audience == "https://hark-operations-123456789012.europe-west1.run.app"
    )
    error_message = "Cloud Scheduler calls the operations every minute, as the scheduler."
  }

  assert {
    condition     = google_cloud_scheduler_job.operations.attempt_deadline == "120s" && google_cloud_scheduler_job.operations.retry_config[0].retry_count == 1
    error_message = "A sweep has the time that it may take."
  }
}
