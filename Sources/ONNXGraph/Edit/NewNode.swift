/// A node to be added.
public struct NewNode: Sendable {
  public var name: String
  public var domain: String
  public var opType: String
  /// "" is an absent optional.
  public var inputs: [String]
  public var outputs: [String]
  /// Graphs are not written; the rest of `AttributeValue` is, in the order of names.
  public var attributes: [String: AttributeValue]
  /// `metadata_props`, in the order of keys; readers before IR 10 skip them.
  public var metadata: [String: String]

  public init(
    _ opType: String, domain: String = "", name: String, inputs: [String], outputs: [String],
    attributes: [String: AttributeValue] = [:], metadata: [String: String] = [:]
  ) {
    self.name = name
    self.domain = domain
    self.opType = opType
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.metadata = metadata
  }
}
