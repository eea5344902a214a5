# Everybody may do what they need, and nothing besides.

mock_provider "google" {
  source = "./tests/mocks"
}

run "each_function_is_somebody" {
  assert {
    condition     = { for function, account in google_service_account.function : function => account.account_id } == { for function in concat(["gateway", "relay", "operations", "dead_letter"], [for name, channel in yamldecode(file("channels.yaml")) : name if !try(channel.of_events, channel.optional, false)]) : function => "hark-${replace(function, "_", "-")}" }
    error_message = "A service account a function, named as it is deployed."
  }
}

run "functions_have_no_role_on_the_project_but_on_their_database_and_to_write_telemetry" {
  assert {
    condition = alltrue([for function, grant in google_project_iam_member.records : (
      grant.role == "roles/datastore.user"
      && grant.member == google_service_account.function[function].member
      && grant.condition[0].expression == "resource.name == \"projects/a-project/databases/(default)\""
    )])
    error_message = "datastore.user, on the one database."
  }

  assert {
    condition = (
      toset(keys(google_project_iam_member.callers)) == toset(["gateway", "operations"])
      && alltrue([for function, grant in google_project_iam_member.callers : (
        grant.role == "roles/datastore.user"
        && grant.member == google_service_account.function[function].member
        && grant.condition[0].expression == "resource.name == \"projects/a-project/databases/hark-callers\""
      )])
    )
    error_message = "The gateway and the operations alone read and write the callers."
  }

  assert {
    condition = toset([for grant in google_project_iam_member.telemetry : "${grant.member} ${grant.role}"]) == toset(flatten([
      for account in google_service_account.function : [
        for role in ["roles/telemetry.tracesWriter", "roles/telemetry.metricsWriter"] : "${account.member} ${role}"
      ]
    ]))
    error_message = "Each function writes traces and metrics, and nobody else does."
  }

  assert {
    condition = length(setintersection(
      concat(values(google_service_account.function)[*].member, [google_service_account.pusher.member, google_service_account.scheduler.member]),
      concat(values(google_project_iam_member.deployer)[*].member, values(google_project_iam_member.sources)[*].member, [google_project_iam_member.builder_logs.member, google_project_iam_member.tester_logs.member]),
    )) == 0
    error_message = "What deploys is not what runs."
  }
}

run "no_role_is_a_wide_one" {
  assert {
    condition = alltrue([for role in concat(
      values(google_project_iam_member.records)[*].role,
      values(google_project_iam_member.telemetry)[*].role,
      values(google_project_iam_member.deployer)[*].role,
      values(google_project_iam_member.sources)[*].role,
      values(google_pubsub_topic_iam_member.publisher)[*].role,
      values(google_secret_manager_secret_iam_member.reader)[*].role,
    ) : !can(regex("(?i)roles/(owner|editor|viewer)$|admin", role))])
    error_message = "Nobody is owner, editor or an administrator of anything."
  }

  assert {
    condition     = toset(google_project_iam_custom_role.invoker_setter.permissions) == toset(["run.services.getIamPolicy", "run.services.setIamPolicy"])
    error_message = "The custom role says who may call, and nothing else."
  }
}

run "who_publishes" {
  assert {
    condition = toset([for grant in google_pubsub_topic_iam_member.publisher : "${grant.member} ${grant.topic}"]) == toset(flatten([
      for function in keys(google_service_account.function) : [
        for topic in google_pubsub_topic.notifications : "${google_service_account.function[function].member} ${topic.id}"
      ]
    ]))
    error_message = "Each function publishes to the channels' topics, and to nothing else."
  }

  assert {
    condition     = alltrue([for grant in google_pubsub_topic_iam_member.publisher : grant.role == "roles/pubsub.publisher"])
    error_message = "They publish, and that is all."
  }
}

run "each_secret_is_read_by_who_uses_it" {
  assert {
    condition = toset(keys(google_secret_manager_secret_iam_member.reader)) == toset(flatten([
      ["ADDRESS_HASH_KEY gateway", "ADDRESS_HASH_KEY relay", "ADDRESS_HASH_KEY operations"],
      [for channel, entry in yamldecode(file("channels.yaml")) : concat(
        ["ADDRESS_HASH_KEY ${channel}"],
        [for setting in try(entry.secrets, []) : "${setting} ${channel}"],
        [for setting in try(entry.receipt_secrets, []) : "${setting} gateway"],
      ) if !try(entry.of_events, entry.optional, false)],
    ]))
    error_message = "A channel's secrets are its function's; those that receipts are checked with the gateway's, too. Who knows addresses has the key to their hashes."
  }

  assert {
    condition = alltrue([for use, grant in google_secret_manager_secret_iam_member.reader : (
      grant.secret_id == google_secret_manager_secret.setting[split(" ", use)[0]].id
      && grant.member == google_service_account.function[split(" ", use)[1]].member
      && grant.role == "roles/secretmanager.secretAccessor"
    )])
    error_message = "Each grant is for the secret and the function that it is named for."
  }

  assert {
    condition     = toset([for use in keys(google_secret_manager_secret_iam_member.reader) : use if startswith(use, "TWILIO_AUTH_TOKEN ")]) == toset(["TWILIO_AUTH_TOKEN gateway"])
    error_message = "The token of the Twilio account is the gateway's alone."
  }

  assert {
    condition     = alltrue([for grant in google_secret_manager_secret_iam_member.deployer_lists : grant.role == "roles/secretmanager.viewer"])
    error_message = "The deployer sees whether a secret has a value, not which."
  }
}

run "the_deployer_acts_as_the_functions_and_the_builder_only" {
  assert {
    condition = toset(values(google_service_account_iam_member.deployer_acts_as)[*].service_account_id) == toset(concat(
      values(google_service_account.function)[*].name, [google_service_account.builder.name]
    ))
    error_message = "Each function's account and the builder's, and no other."
  }

  assert {
    condition     = alltrue([for grant in google_service_account_iam_member.deployer_acts_as : grant.role == "roles/iam.serviceAccountUser" && grant.member == google_service_account.deployer.member])
    error_message = "serviceAccountUser, for the deployer."
  }
}

run "the_tester_writes_logs_and_reads_what_it_is_given_to_test_and_only_the_deployer_deploys" {
  assert {
    condition     = google_project_iam_member.tester_logs.role == "roles/logging.logWriter" && google_project_iam_member.tester_logs.member == google_service_account.tester.member
    error_message = "The tester writes logs."
  }

  assert {
    condition = [for grant in google_project_iam_member.sources : [grant.role, grant.condition[0].expression] if grant.member == google_service_account.tester.member] == [[
      "roles/storage.objectViewer", "resource.name.startsWith(\"projects/_/buckets/a-project_cloudbuild/objects/hark-tests/\")"
    ]]
    error_message = "It reads the sources that it is given, without which there is no build, and no others."
  }

  assert {
    condition = length([for grant in concat(
      values(google_project_iam_member.deployer), values(google_project_iam_member.records), values(google_project_iam_member.callers), values(google_project_iam_member.telemetry),
      values(google_service_account_iam_member.deployer_acts_as), [google_service_account_iam_member.pubsub_pushes_as_pusher],
      values(google_secret_manager_secret_iam_member.reader), values(google_secret_manager_secret_iam_member.deployer_lists), [google_secret_manager_secret_iam_member.smoke_test_key_reader],
      values(google_pubsub_topic_iam_member.publisher), values(google_pubsub_topic_iam_member.agent_publishes_dead), values(google_pubsub_subscription_iam_member.agent_acknowledges),
      [google_artifact_registry_repository_iam_member.builder],
    ) : grant if grant.member == google_service_account.tester.member]) == 0
    error_message = "And that is all."
  }

  assert {
    condition = { for what, grant in google_project_iam_member.deployer : what => grant.role } == {
      builds    = "roles/cloudbuild.builds.viewer"
      functions = "roles/cloudfunctions.developer"
      invokers  = google_project_iam_custom_role.invoker_setter.name
      logs      = "roles/logging.logWriter"
      services  = "roles/run.developer"
    } && alltrue([for grant in google_project_iam_member.deployer : grant.member == google_service_account.deployer.member])
    error_message = "The deployer alone deploys. It sees builds and starts none."
  }
}

run "names_follow_the_name" {
  variables {
    name = "alerts-eu"
  }

  assert {
    condition     = google_service_account.function["dead_letter"].account_id == "alerts-eu-dead-letter" && google_secret_manager_secret.setting["TWILIO_AUTH_TOKEN"].secret_id == "alerts-eu-twilio-auth-token"
    error_message = "Accounts and secrets begin with the name."
  }
}

run "a_name_that_makes_an_account_too_long_is_refused" {
  command = plan

  variables {
    name = "notifications-of-all"
  }

  expect_failures = [var.name]
}
