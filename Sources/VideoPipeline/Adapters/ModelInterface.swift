import OnnxRuntime

/// Inputs and outputs of a graph, as plain values: what a model is recognised by. Inputs that have an initializer,
/// which a caller may leave out, do not belong here.
public struct ModelInterface: Equatable, Sendable {
  public var inputs: [Port]
  public var outputs: [Port]
  /// Names of the initializers.
  public var weights: [String]
  /// The parts of the family that go with the model.
  public var companions: Set<Companion>

  public init(inputs: [Port], outputs: [Port], weights: [String] = [], companions: Set<Companion> = []) {
    self.inputs = inputs
    self.outputs = outputs
    self.weights = weights
    self.companions = companions
  }

  public struct Port: Equatable, Sendable {
    public var name: String
    /// nil: a type that no adapter can name.
    public var type: ElementType?
    /// nil: unknown rank.
    public var dims: [Dim]?

    public init(name: String, type: ElementType?, dims: [Dim]?) {
      self.name = name
      self.type = type
      self.dims = dims
    }
  }

  public enum Dim: Equatable, Sendable {
    case fixed(Int)
    /// The graph's `dim_param`, a name or an expression such as `8*h`.
    case symbolic(String)
    case unknown
  }
}
