import CORT

/// A run's inputs and outputs, by their place.
struct KernelArguments {
  let api: Api
  let context: OpaquePointer
  private let inputCount: Int
  private let outputCount: Int

  init(_ api: Api, _ context: OpaquePointer) throws(OperatorFailure) {
    self.api = api
    self.context = context
    var count = 0
    try api.check("KernelContext_GetInputCount", api.KernelContext_GetInputCount(context, &count))
    inputCount = count
    try api.check("KernelContext_GetOutputCount", api.KernelContext_GetOutputCount(context, &count))
    outputCount = count
  }

  /// Nil where the node leaves the input out.
  func input(_ index: Int) throws(OperatorFailure) -> TensorArgument? {
    guard index < inputCount else { return nil }
    var value: OpaquePointer?
    try api.check("KernelContext_GetInput", api.KernelContext_GetInput(context, index, &value))
    guard let value else { return nil }
    return try TensorArgument(api, value)
  }

  func required(_ index: Int, _ name: String) throws(OperatorFailure) -> TensorArgument {
    guard let tensor = try input(index) else { throw OperatorFailure("input '\(name)' is missing") }
    return tensor
  }

  /// Memory of an output of this shape; nil where nobody asked for it.
  func output(_ index: Int, _ shape: [Int]) throws(OperatorFailure) -> UnsafeMutableRawPointer? {
    guard index < outputCount else { return nil }
    var value: OpaquePointer?
    let sizes = shape.map { Int64($0) }
    try api.check(
      "KernelContext_GetOutput", api.KernelContext_GetOutput(context, index, sizes, sizes.count, &value))
    guard let value else { return nil }
    return try TensorArgument.data(api, value)
  }
}
