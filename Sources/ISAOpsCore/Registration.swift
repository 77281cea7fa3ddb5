import CORT
import SparseAttentionCPU

/// An operator for one element type, as ONNX Runtime holds it: its address is the `OrtCustomOp`'s.
private struct OpRecord {
  var callbacks: OrtCustomOp
  var op: Operator
  var element: ElementType

  static func at(_ op: UnsafePointer<OrtCustomOp>?) -> OpRecord? {
    UnsafeRawPointer(op)?.assumingMemoryBound(to: OpRecord.self).pointee
  }
}

/// Puts the operators into session options.
public enum Registration {
  /// The runtime that registered us; the shape function gets no API of its own.
  private nonisolated(unsafe) static var base: UnsafePointer<OrtApiBase>?

  /// Made once and never freed: ONNX Runtime keeps their addresses.
  private nonisolated(unsafe) static var domain: OpaquePointer?

  /// The body of `RegisterCustomOps`: null for success, else a status.
  public static func register(
    _ options: OpaquePointer?, _ base: UnsafePointer<OrtApiBase>?
  ) -> OpaquePointer? {
    guard let base else { return nil }
    guard let api = base.pointee.GetApi(UInt32(CORT_API_VERSION))?.pointee else {
      let version = base.pointee.GetVersionString().map { String(cString: $0) } ?? "older"
      return base.pointee.GetApi(1)?.pointee.CreateStatus(
        Int32(ORT_NOT_IMPLEMENTED), "isa: the operators need ONNX Runtime 1.17 or newer; this is \(version)")
    }
    self.base = base
    SegmentKindRegister.shared.close()
    if domain == nil {
      var made: OpaquePointer?
      if let status = api.CreateCustomOpDomain("isa", &made) { return status }
      for op in Operator.allCases {
        for element in [ElementType.float32, .float16, .bfloat16] {
          let record = UnsafeMutablePointer<OpRecord>.allocate(capacity: 1)
          record.initialize(to: OpRecord(callbacks: callbacks(), op: op, element: element))
          let address = UnsafeRawPointer(record).assumingMemoryBound(to: OrtCustomOp.self)
          if let status = api.CustomOpDomain_Add(made, address) { return status }
        }
      }
      domain = made
    }
    return api.AddCustomOpDomain(options, domain)
  }

  private static func callbacks() -> OrtCustomOp {
    var c = OrtCustomOp()
    c.version = UInt32(CORT_API_VERSION)
    c.GetName = { op in
      guard let name = OpRecord.at(op)?.op.name else { return nil }
      return UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    }
    c.GetExecutionProviderType = { _ in nil }
    c.GetInputTypeCount = { _ in 8 }
    c.GetInputType = { op, index in
      switch index {
      case 3: 9  // bool
      case 5, 6, 7: 7  // int64
      default: OpRecord.at(op)?.element.rawValue ?? 0
      }
    }
    c.GetInputCharacteristic = { _, index in
      Int32(index < 3 ? ORT_INPUT_REQUIRED : ORT_INPUT_OPTIONAL)
    }
    c.GetInputMemoryType = { _, _ in 0 }
    c.GetOutputTypeCount = { _ in 2 }
    c.GetOutputType = { op, index in index == 0 ? OpRecord.at(op)?.element.rawValue ?? 0 : 1 }
    c.GetOutputCharacteristic = { _, index in
      Int32(index == 0 ? ORT_INPUT_REQUIRED : ORT_INPUT_OPTIONAL)
    }
    c.GetVariadicInputMinArity = { _ in 1 }
    c.GetVariadicInputHomogeneity = { _ in 1 }
    c.GetVariadicOutputMinArity = { _ in 1 }
    c.GetVariadicOutputHomogeneity = { _ in 1 }
    c.GetStartVersion = { _ in 1 }
    c.GetEndVersion = { _ in Int32.max }
    c.CreateKernelV2 = { op, api, info, out in
      guard let record = OpRecord.at(op), let api = api?.pointee, let info, let out else { return nil }
      do throws(OperatorFailure) {
        let kernel = try NodeKernel(api, info, record.op, record.element)
        out.pointee = Unmanaged.passRetained(kernel).toOpaque()
        return nil
      } catch {
        return error.status(api)
      }
    }
    c.KernelComputeV2 = { kernel, context in
      guard let kernel, let context else { return nil }
      return Unmanaged<NodeKernel>.fromOpaque(kernel).takeUnretainedValue().compute(context)
    }
    c.KernelDestroy = { kernel in
      if let kernel { Unmanaged<NodeKernel>.fromOpaque(kernel).release() }
    }
    c.InferOutputShapeFn = { op, context in
      guard let record = OpRecord.at(op), let context,
        let api = Registration.base?.pointee.GetApi(UInt32(CORT_API_VERSION))?.pointee
      else { return nil }
      ShapeInference(api: api, context: context).run(record.op, element: record.element.rawValue)
      return nil
    }
    return c
  }
}
