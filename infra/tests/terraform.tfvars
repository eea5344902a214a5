# The project that every file of tests is about; Terraform reads this file for them alone.
project = "a-project"
region  = "europe-west1"
domain  = "hark.example.com"
