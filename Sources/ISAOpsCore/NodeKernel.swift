import CORT
import SparseAttention
import SparseAttentionCPU

/// One node of a session. Runs may overlap: nothing changes after it is made.
final class NodeKernel {
  private let api: Api
  private let op: Operator
  private let element: ElementType
  private let node: NodeConfiguration

  init(
    _ runtime: Runtime, _ info: OpaquePointer, _ op: Operator, _ element: ElementType
  ) throws(OperatorFailure) {
    api = runtime.api
    self.op = op
    self.element = element
    node = try NodeConfiguration(AttributeReader(runtime: runtime, info: info))
  }

  /// Runs the node; null for success.
  func compute(_ context: OpaquePointer) -> OpaquePointer? {
    do throws(OperatorFailure) {
      let arguments = try KernelArguments(api, context)
      switch op {
      case .attention: try attend(arguments)
      case .probe: try probe(arguments)
      }
      return nil
    } catch {
      return error.at(site: node.site).status(api)
    }
  }

  private func attend(_ arguments: KernelArguments) throws(OperatorFailure) {
    let policies = try node.policies(at: arguments.input(7))
    let inputs = try NodeInputs(arguments, node, element: element)
    guard let memory = try arguments.output(0, inputs.output.shape(node.outputLayout)) else {
      throw OperatorFailure("output 'output' is missing")
    }
    var problem = inputs.problem(into: memory, policies)
    problem.statistics = try arguments.output(1, [inputs.query.batch, node.heads, 4])?
      .assumingMemoryBound(to: Float.self)
    do throws(AttentionError) {
      try AttentionCPU.run(problem, on: OrtRunner(api: api, context: arguments.context))
    } catch {
      throw OperatorFailure(error.message)
    }
  }

  private func probe(_ arguments: KernelArguments) throws(OperatorFailure) {
    guard try arguments.input(7) == nil else { throw OperatorFailure("a probe takes no input 'point'") }
    let inputs = try NodeInputs(arguments, node, element: element)
    guard let memory = try arguments.output(0, inputs.output.shape(node.outputLayout)) else {
      throw OperatorFailure("output 'output' is missing")
    }
    let errors = try arguments.output(1, [inputs.query.batch, node.heads, node.policies.count, 3])?
      .assumingMemoryBound(to: Float.self)
    let problem = inputs.problem(into: memory, Array(repeating: .exact, count: node.heads))
    let result: ProbeResult
    do throws(AttentionError) {
      let blocks = try AttentionCPU.queryBlockCount(problem)
      result = try AttentionCPU.probe(
        problem, policies: node.policies, sample: Array(stride(from: 0, to: blocks, by: node.sample)),
        on: OrtRunner(api: api, context: arguments.context))
    } catch {
      throw OperatorFailure(error.message)
    }
    guard let errors else { return }
    for (i, entry) in result.entries.enumerated() {
      errors[3 * i] = Float(entry.squaredError)
      errors[3 * i + 1] = Float(entry.squaredNorm)
      errors[3 * i + 2] = Float(entry.executedDensity)
    }
  }
}
