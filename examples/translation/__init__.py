"""The translation project: English sentences, translated to Portuguese by the model that is looked into."""
