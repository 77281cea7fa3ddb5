/// What must hold between the nodes of a model.
enum GraphChecks {
  static func check(_ model: Model) throws(ModelError) {}
}
