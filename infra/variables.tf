variable "project" {
  description = "The id of the Google Cloud project that everything is in."
  type        = string
}

variable "region" {
  description = "Where the functions run, e.g. europe-west1."
  type        = string
}

variable "database_location" {
  description = "Where the records are: a region, or a multi-region such as eur3. Null: the functions' region. It cannot be changed later."
  type        = string
  default     = null
}

variable "database" {
  description = "The name of the Firestore database, which is the functions' FIRESTORE_DATABASE."
  type        = string
  default     = "(default)"
}

variable "callers_database" {
  description = "The name of the Firestore database of the callers and their usage, which the gateway alone may write: its CALLERS_DATABASE. Null: the name and \"-callers\"."
  type        = string
  default     = null

  validation {
    condition     = var.callers_database == null || coalesce(var.callers_database, "-") != var.database
    error_message = "callers_database must be another one than database: every function may write that."
  }
}

variable "kms_key" {
  description = "A Cloud KMS key that encrypts what holds addresses and texts, the databases and the topics, e.g. projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k: in the databases' location, and given before they are made. Null: Google's own keys."
  type        = string
  default     = null
}

variable "message_regions" {
  description = "The regions that messages may be in, at rest and on their way, e.g. [\"europe-west1\"]. Empty: Pub/Sub keeps them where they are published."
  type        = set(string)
  default     = []
}

variable "name" {
  description = "The first word of every name but the topics', which the code has."
  type        = string
  default     = "hark"

  validation {
    # A service account's id, the name and a function's, has at most 30 characters.
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 16 small letters, digits and hyphens, and begin with a letter."
  }
}

variable "domain" {
  description = "The host name of the API, e.g. hark.example.com: the certificate's, and PUBLIC_URL's."
  type        = string
}

variable "dns_zone" {
  description = "The Cloud DNS zone of this project that gets the domain's A record. Null: the record is kept elsewhere (output address)."
  type        = string
  default     = null
}

variable "console_domain" {
  description = "A second host name, e.g. hark-console.example.com, under which Identity-Aware Proxy signs in whoever uses the console. Null: they have API keys."
  type        = string
  default     = null

  validation {
    condition     = var.console_domain == null || coalesce(var.console_domain, "-") != var.domain
    error_message = "console_domain must be another one than domain: the proxy would turn providers and API keys away."
  }
}

variable "console_users" {
  description = "Whom Identity-Aware Proxy lets through to the console, e.g. [\"group:ops@example.com\"]. Each also needs a caller of the kind token."
  type        = set(string)
  default     = []
}

variable "client_ca_file" {
  description = "A PEM file of the CAs whose client certificates the load balancer verifies. Null: no client certificates."
  type        = string
  default     = null
}

variable "load_balancer_secret" {
  description = "What the load balancer tells the gateway to be known by, when there are client certificates: at least 16 characters."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = (var.client_ca_file == null) == (var.load_balancer_secret == null)
    error_message = "client_ca_file and load_balancer_secret must both be set, or neither."
  }

  validation {
    condition     = var.load_balancer_secret == null || length(coalesce(var.load_balancer_secret, "-")) >= 16
    error_message = "load_balancer_secret must have at least 16 characters: the gateway does not start with fewer."
  }
}

variable "requests_per_minute" {
  description = "How many requests one IP address may make, to the API and (providers, who come from few addresses) to /v1/receipts and /v1/inbound."
  type = object({
    api      = optional(number, 6000)
    receipts = optional(number, 60000)
  })
  default = {}
}

variable "min_instances" {
  description = "How many instances of the gateway are kept warm. The pipeline deploys with it (output substitutions)."
  type        = number
  default     = 0
}

variable "max_instances" {
  description = "How many instances each function may have at most, of one CPU each: not more than the CPUs that Cloud Run allows the project in the region. A new project has 20; some have fewer."
  type        = number
  default     = 20

  validation {
    condition     = var.max_instances >= max(1, var.min_instances) && floor(var.max_instances) == var.max_instances
    error_message = "max_instances must be a whole number, at least 1 and not less than min_instances."
  }
}

variable "parallel_builds" {
  description = "How many functions are built at the same time, on two CPUs each: a new project may have no more than 5 in a region."
  type        = number
  default     = 2

  validation {
    condition     = var.parallel_builds >= 1 && floor(var.parallel_builds) == var.parallel_builds
    error_message = "parallel_builds must be a whole number, at least 1."
  }
}

variable "all_users" {
  description = "Whether the gateway is opened by a grant to everybody. By default Cloud Run does not look who calls it, which also an organisation allows that grants nothing to outsiders; true where one forbids that (run.managed.requireInvokerIam)."
  type        = bool
  default     = false
}

variable "channels" {
  description = "The channels that are there, of those in channels.yaml. Null: those that are not optional there."
  type        = set(string)
  default     = null

  validation {
    condition = var.channels == null || (length(coalesce(var.channels, [])) > 0 && alltrue([
      for name in coalesce(var.channels, []) : contains([for name, entry in yamldecode(file("${path.module}/channels.yaml")) : name if !try(entry.of_events, false)], name)
    ]))
    error_message = "channels must name entries of channels.yaml, and none that carries events: that is for events = true."
  }
}

variable "events" {
  description = "Whether each change of a delivery is published to the topic `events`, and to the endpoints that want it. Without it there is nothing of this, and it costs nothing."
  type        = bool
  default     = false
}

variable "events_dataset" {
  description = "A BigQuery dataset to make, into whose table `events` each event is written. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.events_dataset == null || (var.events && can(regex("^[A-Za-z0-9_]+$", var.events_dataset)))
    error_message = "events_dataset must be of letters, digits and _, and needs events = true."
  }
}

variable "alert_emails" {
  description = "Who is told when an alert fires."
  type        = set(string)
  default     = []
}

variable "monthly_budget" {
  description = "What the project may cost a month, in whole units of the billing account's currency. Null: no budget."
  type        = number
  default     = null
}
